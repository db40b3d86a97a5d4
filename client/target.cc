#include "client/target.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <system_error>

#include "absl/strings/str_split.h"
#include "client/printable.h"

namespace weightinit::client {
namespace {

enum class Kind : std::uint8_t { kName, kIpv4, kIpv6 };

struct HostPort {
  Kind kind;
  bool is_loopback;
};

bool IsPort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0;
}

bool IsAddress(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return inet_pton(family, std::string(text).c_str(), address.data()) == 1;
}

std::optional<HostPort> ParseHostPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !IsPort(text.substr(colon + 1))) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    const std::string_view address = host.substr(1, host.size() - 2);
    if (!IsAddress(AF_INET6, address.substr(0, address.find('%')))) return std::nullopt;
    return HostPort{Kind::kIpv6, address == "::1"};
  }
  if (IsAddress(AF_INET, host)) return HostPort{Kind::kIpv4, host.starts_with("127.")};
  if (host.empty() || host.find_first_of(":/,") != std::string_view::npos) return std::nullopt;
  return HostPort{Kind::kName, host == "localhost"};
}

absl::Status Refusal(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError("'" + Printable(text) + "' " + std::string(why));
}

// `scheme`: "ipv4:" or "ipv6:"; empty: that of the first.
absl::StatusOr<Target> ParseList(std::string_view text, std::string_view scheme,
                                 std::string_view addresses) {
  Target target{.uri = "", .may_be_several = true, .stays_here = true};
  for (const auto part :
       absl::StrSplit(absl::string_view(addresses.data(), addresses.size()), ',')) {
    const std::optional<HostPort> one = ParseHostPort({part.data(), part.size()});
    if (!one.has_value() || one->kind == Kind::kName) {
      return Refusal(
          text,
          "is no list of addresses with ports (10.0.0.1:50051,10.0.0.2:50051); a name that has "
          "several is dns:///NAME:PORT");
    }
    const std::string_view its = one->kind == Kind::kIpv4 ? "ipv4:" : "ipv6:";
    if (scheme.empty()) scheme = its;
    if (its != scheme) return Refusal(text, "lists addresses of IPv4 and IPv6 together");
    target.stays_here = target.stays_here && one->is_loopback;
  }
  target.uri = std::string(scheme) + std::string(addresses);
  return target;
}

// A path may hold commas. Where an address follows one, a list was meant, which gRPC does not take.
absl::StatusOr<Target> ParsePath(std::string_view text) {
  for (std::size_t comma = text.find(','); comma != std::string_view::npos;
       comma = text.find(',', comma + 1)) {
    const std::string_view rest = text.substr(comma + 1);
    if (ParseHostPort(rest.substr(0, rest.find(','))).has_value()) {
      return Refusal(text, "lists a unix socket and an address; a unix socket stands alone");
    }
  }
  return Target{.uri = std::string(text), .may_be_several = false, .stays_here = true};
}

// dns:NAME:PORT, or dns://RESOLVER/NAME:PORT. gRPC would take 443 for a port that is missing.
absl::StatusOr<Target> ParseDns(std::string_view text) {
  std::string_view name = text.substr(std::string_view("dns:").size());
  if (name.starts_with("//")) name = name.substr(std::min(name.find('/', 2), name.size() - 1) + 1);
  if (!ParseHostPort(name).has_value()) return Refusal(text, "is not dns:///NAME:PORT");
  return Target{.uri = std::string(text), .may_be_several = true, .stays_here = false};
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view text) {
  for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
    if (text.starts_with(scheme)) return ParseList(text, scheme, text.substr(scheme.size()));
  }
  for (const std::string_view scheme : {"unix:", "unix-abstract:"}) {
    if (text.starts_with(scheme) && text.size() > scheme.size()) return ParsePath(text);
  }
  if (text.starts_with("dns:")) return ParseDns(text);
  if (text.find(',') != std::string_view::npos) return ParseList(text, "", text);
  const std::optional<HostPort> one = ParseHostPort(text);
  if (!one.has_value()) return Refusal(text, "is not HOST:PORT, dns:///NAME:PORT or unix:/PATH");
  return Target{.uri = std::string(text), .may_be_several = false, .stays_here = one->is_loopback};
}

}  // namespace weightinit::client
