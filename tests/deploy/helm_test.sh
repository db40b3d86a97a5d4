#!/usr/bin/env bash
# The Helm chart and the sidecar: rendered with the defaults and with everything turned on, and each object held against Kubernetes' own
# schemas and rules. What is no flag, or does not go together, is refused. Needs helm and kubectl-validate (make helm-test installs them).
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

grep -q 'appProtocol: kubernetes.io/h2c' "$rendered/defaults.yaml" || fail "plaintext is not h2c"
grep -q 'h2c\|insecure' "$rendered/everything.yaml" && fail "TLS is taken for plaintext"
helm template run "${kubernetes[@]}" "$chart" --set networkPolicy.enabled=true --show-only templates/networkpolicy.yaml >"$rendered/policy.yaml"
[[ $(grep -c 'podSelector: {}' "$rendered/policy.yaml") == 2 ]] || fail "others than the namespace get in: $(cat "$rendered/policy.yaml")"

# notes SETTINGS: what is said after an installation. helm renders it for a cluster alone, and here as an object.
cp -r "$chart" "$rendered/chart"
{ printf 'kind: Notes\ntext: |\n' && sed 's/^/  /' "$chart/templates/NOTES.txt"; } >"$rendered/chart/templates/notes.yaml"
notes() { helm template run "${kubernetes[@]}" "$rendered/chart" --set "$1" --show-only templates/notes.yaml; }
[[ $(notes "") == *"may call it, in plaintext"* ]] || fail "the notes do not say that anybody may call"
[[ $(notes tls.secretName=x) == *"may call it:"* ]] || fail "the notes do not say that anybody may call over TLS"
[[ $(notes tokens.secretName=x,tokens.plaintext=true) == *"need a bearer token, which the server takes in plaintext"* ]] || fail "the notes do not say what tokens are worth"
for settings in tokens.secretName=x,tokens.plaintext=true tls.secretName=x,tls.clientCA=true tls.secretName=x,tokens.secretName=x; do
  [[ $(notes "$settings") != *"may call"* ]] || fail "$settings: the notes say that anybody may call"
done

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
refuses config.max-stream=1 max-stream
refuses config.drain-delay=soon drain-delay
refuses tls.clientCA=true 'wants tls.secretName'
refuses tokens.secretName=x 'wants tls.secretName'
refuses config.drain-delay=15s 'must be more than'
refuses config.shutdown-grace=1m 'must be more than'
refuses config.drain-delay=null,terminationGracePeriodSeconds=35 'must be more than'
helm template run "${kubernetes[@]}" "$chart" --set config.drain-delay=14999ms >/dev/null || fail "a drain-delay that there is time for is refused"

[[ $(sed -n 's/^appVersion: //p' "$chart/Chart.yaml") == $(sed -n 's/^project(weightinit VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt) ]] ||
  fail "appVersion is not the project's version"
echo "helm_test: all objects are valid"
