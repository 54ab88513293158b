#include "fetchers/torrents/worker/socks_calls.h"

#include <algorithm>
#include <array>
#include <optional>

#include "fetchers/ip_address.h"

namespace impound::fetchers {

namespace {

constexpr std::uint8_t version = 5, connect_command = 1, no_authentication = 0;
constexpr std::uint8_t of_ipv4 = 1, of_name = 3, of_ipv6 = 4;

struct Target {
  std::string host;
  std::uint16_t port = 0;
};

std::optional<Target> connect_target(std::span<std::uint8_t const> bytes) {
  if (bytes.size() < 5 || bytes[0] != version || bytes[1] != connect_command || bytes[2] != 0) return std::nullopt;
  std::uint8_t const kind = bytes[3];
  auto rest = bytes.subspan(4);
  std::size_t size = 0;
  if (kind == of_ipv4) size = 4;
  if (kind == of_ipv6) size = 16;
  if (kind == of_name) {
    size = rest[0];
    rest = rest.subspan(1);
  }
  if (size == 0 || rest.size() != size + 2) return std::nullopt;
  Target target{{}, static_cast<std::uint16_t>(rest[size] << 8 | rest[size + 1])};
  if (kind == of_name) {
    target.host.assign(reinterpret_cast<char const*>(rest.data()), size);
  } else {
    std::array<std::uint8_t, 16> address{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::copy_n(rest.data(), size, address.end() - static_cast<std::ptrdiff_t>(size));
    target.host = IpAddress::v6(address).text();
  }
  return target;
}

}  // namespace

bool socks_passes(SocksStep& step, std::span<std::uint8_t const> bytes,
                  std::function<bool(std::string const& host, std::uint16_t port)> const& may_be_asked) {
  if (step == SocksStep::through) return true;
  if (step == SocksStep::greeting) {
    if (bytes.size() != 3 || bytes[0] != version || bytes[1] != 1 || bytes[2] != no_authentication) return false;
    step = SocksStep::request;
    return true;
  }
  auto const target = connect_target(bytes);
  if (!target || !may_be_asked(target->host, target->port)) return false;
  step = SocksStep::through;
  return true;
}

}  // namespace impound::fetchers
