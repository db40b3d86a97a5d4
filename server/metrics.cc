#include "server/metrics.h"

#include <grpcpp/grpcpp.h>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/convert_status.h"
#include "server/process_usage.h"
#include "weightinit/engine.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::server {
namespace {

using prometheus::ClientMetric;
using prometheus::Counter;
using prometheus::Histogram;
using prometheus::MetricFamily;
using prometheus::MetricType;

// In the order of the codes, in the words of Go's gRPC, which dashboards expect.
constexpr std::array<const char*, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

// From a small tensor to a whole model.
const Histogram::BucketBoundaries kHandlingSeconds = {
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
const Histogram::BucketBoundaries kQueueSeconds = {0.0001, 0.001, 0.01, 0.1, 1, 10};

double Seconds(EndedCall::Duration time) { return std::chrono::duration<double>(time).count(); }

std::map<std::string, std::string> Labels(Method method) {
  return {{"grpc_service", v1::WeightInitService::service_full_name()},
          {"grpc_method", std::string(Name(method))},
          {"grpc_type", method == Method::kGetCapabilities ? "unary" : "server_stream"}};
}

MetricFamily One(std::string name, std::string help, MetricType type, double value,
                 std::vector<ClientMetric::Label> labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return {std::move(name), std::move(help), type, {std::move(metric)}};
}

std::vector<MetricFamily> StateFamilies(const ServerState& state) {
  const ProcessUsage process = ReadProcessUsage();
  std::vector<MetricFamily> families = {
      One("weightinit_build_info", "What runs; always 1", MetricType::Gauge, 1,
          {{"version", std::string(Version())},
           {"simd", std::string(SimdTarget())},
           {"grpc_version", grpc::Version()}}),
      One("weightinit_serving", "1 until the server is told to stop", MetricType::Gauge,
          state.is_serving ? 1 : 0),
      One("weightinit_streams", "Streams that run", MetricType::Gauge, state.streams),
      One("weightinit_stream_bytes", "Memory promised to the chunks of running streams",
          MetricType::Gauge, static_cast<double>(state.stream_bytes)),
      One("weightinit_recipe_cache_bytes", "Resolved recipes that are kept", MetricType::Gauge,
          static_cast<double>(state.recipe_cache_bytes)),
      One("weightinit_recipe_cache_hits_total", "Requests by a fingerprint that was known",
          MetricType::Counter, static_cast<double>(state.recipe_cache_hits)),
      One("weightinit_recipe_cache_misses_total", "Requests by a fingerprint that was not",
          MetricType::Counter, static_cast<double>(state.recipe_cache_misses)),
      One("weightinit_cache_bytes", "Matrices and states of torch_cpu that are kept",
          MetricType::Gauge, static_cast<double>(state.cache.bytes)),
      One("weightinit_cache_hits_total", "Times that one was there when a chunk needed it",
          MetricType::Counter, static_cast<double>(state.cache.hits)),
      One("weightinit_cache_misses_total", "Times that one had to be made", MetricType::Counter,
          static_cast<double>(state.cache.misses)),
      One("process_resident_memory_bytes", "Resident memory", MetricType::Gauge,
          static_cast<double>(process.resident_bytes)),
      One("process_cpu_seconds_total", "Processor time, of the system's part too",
          MetricType::Counter, process.cpu_seconds),
      One("process_open_fds", "File descriptors in use", MetricType::Gauge,
          static_cast<double>(process.open_files)),
      One("process_max_fds", "File descriptors that there may be", MetricType::Gauge,
          static_cast<double>(process.max_files)),
  };
  if (state.certificate_expiry) {
    families.push_back(One("weightinit_certificate_expiry_seconds",
                           "When the server's certificate ends, since 1970", MetricType::Gauge,
                           static_cast<double>(*state.certificate_expiry)));
  }
  return families;
}

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;

  prometheus::Family<Counter>& drawn_bytes =
      prometheus::BuildCounter()
          .Name("weightinit_drawn_bytes_total")
          .Help("Values made, counted when their stream ends")
          .Register(registry);
  prometheus::Family<Counter>& drawn_elements =
      prometheus::BuildCounter()
          .Name("weightinit_drawn_elements_total")
          .Help("Elements made, counted when their stream ends")
          .Register(registry);
  prometheus::Family<Counter>& limits_hit =
      prometheus::BuildCounter()
          .Name("weightinit_limits_hit_total")
          .Help("Calls that were refused, by the limit that refused them")
          .Register(registry);
  Histogram& queue_seconds = prometheus::BuildHistogram()
                                 .Name("weightinit_queue_seconds")
                                 .Help("From a stream's request until a thread took it up")
                                 .Register(registry)
                                 .Add({}, kQueueSeconds);

  // Made once: a call looks nothing up.
  struct OfMethod {
    Counter* started;
    std::array<Counter*, kCodeNames.size()> handled;
    Histogram* seconds;
  };
  std::array<OfMethod, kMethodNames.size()> methods;

  Families() {
    auto& started = prometheus::BuildCounter()
                        .Name("grpc_server_started_total")
                        .Help("Calls that began")
                        .Register(registry);
    auto& handled = prometheus::BuildCounter()
                        .Name("grpc_server_handled_total")
                        .Help("Calls that ended, by their outcome")
                        .Register(registry);
    auto& seconds = prometheus::BuildHistogram()
                        .Name("grpc_server_handling_seconds")
                        .Help("From a call's request until its last byte was taken by gRPC")
                        .Register(registry);
    for (std::size_t i = 0; i < methods.size(); ++i) {
      auto labels = Labels(static_cast<Method>(i));
      methods[i].started = &started.Add(labels);
      methods[i].seconds = &seconds.Add(labels, kHandlingSeconds);
      for (std::size_t code = 0; code < kCodeNames.size(); ++code) {
        labels["grpc_code"] = kCodeNames[code];
        methods[i].handled[code] = &handled.Add(labels);
      }
    }
  }

  OfMethod& Of(Method method) { return methods[static_cast<std::size_t>(method)]; }
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

void Metrics::OnBegin(Method method) { families_->Of(method).started->Increment(); }

void Metrics::OnDrawn(const Initializer& init, DType dtype, std::int64_t elements) {
  const std::map<std::string, std::string> labels = {
      {"initializer", std::string(MethodName(init))},
      {"dtype", std::string(weightinit::Name(dtype))}};
  families_->drawn_elements.Add(labels).Increment(static_cast<double>(elements));
  families_->drawn_bytes.Add(labels).Increment(
      static_cast<double>(elements * weightinit::SizeBytes(dtype)));
}

void Metrics::OnEnd(const EndedCall& call) {
  Families::OfMethod& method = families_->Of(call.method);
  const auto code = static_cast<std::size_t>(call.status.code());
  method.handled[code < kCodeNames.size() ? code : 2]->Increment();
  method.seconds->Observe(Seconds(call.time));
  if (call.method != Method::kGetCapabilities)
    families_->queue_seconds.Observe(Seconds(call.queued));
  if (call.status.ok()) return;
  const proto::ErrorDetails details = proto::DetailsOf(call.status);
  const auto limit = details.metadata.find("limit");  // a name of ours
  if (limit != details.metadata.end())
    families_->limits_hit.Add({{"limit", limit->second}}).Increment();
}

std::string Metrics::Text(const ServerState& state) const {
  std::vector<MetricFamily> families = families_->registry.Collect();
  std::vector<MetricFamily> others = StateFamilies(state);
  std::move(others.begin(), others.end(), std::back_inserter(families));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace weightinit::server
