#include "fetchers/name_lookup.h"

#include <netdb.h>
#include <sys/socket.h>

#include <memory>

namespace impound::fetchers {

namespace {

constexpr std::size_t addresses_max = 16;

}  // namespace

std::vector<IpAddress> addresses_of(std::string const& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &found) != 0) return {};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owned{found, ::freeaddrinfo};
  std::vector<IpAddress> addresses;
  for (addrinfo const* one = found; one != nullptr && addresses.size() < addresses_max; one = one->ai_next)
    if (auto const address = IpAddress::from(one->ai_addr, one->ai_addrlen)) addresses.push_back(*address);
  return addresses;
}

}  // namespace impound::fetchers
