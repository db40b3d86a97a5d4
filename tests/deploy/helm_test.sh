#!/usr/bin/env bash
# The Helm chart and the sidecar: rendered with the defaults and with everything turned on, and each object held against Kubernetes' own
# schemas and rules. What values.schema.json must refuse is refused. Needs helm and kubectl-validate (make helm-test installs them).
set -euo pipefail
cd "$(dirname "$0")/../.."
chart=deploy/helm/weightinit
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
everything=tests/deploy/everything.yaml
kubernetes=(--kube-version 1.30.0)  # the newest that kubectl-validate has schemas of

fail() {
  echo "helm_test: $*" >&2
  exit 1
}

helm lint --strict --quiet "${kubernetes[@]}" "$chart"
helm lint --strict --quiet "${kubernetes[@]}" "$chart" --values "$everything"
helm template run "${kubernetes[@]}" "$chart" --namespace weights >"$rendered/defaults.yaml"
helm template run "${kubernetes[@]}" "$chart" --namespace weights --values "$everything" >"$rendered/everything.yaml"
cp deploy/kubernetes/*.yaml "$rendered"
kubectl-validate --version 1.30 --local-crds tests/deploy/crds "$rendered"

kinds() { grep -h '^kind:' "$rendered/$1.yaml" | sort | uniq -c | awk '{print $3 "×" $1}' | xargs; }
[[ $(kinds defaults) == "ConfigMap×1 Deployment×1 Pod×1 PodDisruptionBudget×1 Service×2" ]] || fail "defaults: $(kinds defaults)"
[[ $(kinds everything) == "ConfigMap×1 Deployment×1 HorizontalPodAutoscaler×1 NetworkPolicy×1 PodDisruptionBudget×1 Service×2 ServiceMonitor×1" ]] ||
  fail "everything: $(kinds everything)"
grep -q 'replicas:' "$rendered/everything.yaml" && fail "the autoscaler and the chart both set replicas"

# refuses SETTING WHERE
refuses() {
  helm template run "${kubernetes[@]}" "$chart" --set "$1" >"$rendered/refused" 2>&1 && fail "$1 is not refused"
  grep -q "$2" "$rendered/refused" || fail "$1: $(cat "$rendered/refused")"
}
refuses replica=3 replica
refuses replicas=two replicas
refuses config.listen=0.0.0.0:1 listen
refuses config.tls-cert=/mine tls-cert
refuses 'image.pullPolicy=Sometimes' pullPolicy
refuses 'config.max-streams.a=1' max-streams

[[ $(sed -n 's/^appVersion: //p' "$chart/Chart.yaml") == $(sed -n 's/^project(weightinit VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt) ]] ||
  fail "appVersion is not the project's version"
echo "helm_test: all objects are valid"
