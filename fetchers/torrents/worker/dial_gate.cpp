#include "fetchers/torrents/worker/dial_gate.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "fetchers/ip_address.h"
#include "fetchers/url.h"

namespace impound::fetchers {

namespace {

constexpr AddressBytes mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

AddressBytes mapped(std::uint8_t const* four) {
  AddressBytes bytes = mapped_prefix;
  std::copy_n(four, 4, bytes.begin() + 12);
  return bytes;
}

bool begins(AddressBytes const& address, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

/// The IPv4 address that an IPv6 one leads to: NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380), IPv4-compatible.
std::optional<AddressBytes> embedded(AddressBytes const& address) {
  if (begins(address, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return mapped(address.data() + 12);
  if (begins(address, {0x20, 0x02})) return mapped(address.data() + 2);
  if (begins(address, {0x20, 0x01, 0, 0})) {
    std::array<std::uint8_t, 4> four{};
    for (std::size_t i = 0; i < 4; ++i) four[i] = static_cast<std::uint8_t>(~address[12 + i]);
    return mapped(four.data());
  }
  if (begins(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})) return mapped(address.data() + 12);
  return std::nullopt;
}

}  // namespace

std::optional<AddressBytes> address_bytes(std::string const& literal) {
  std::array<std::uint8_t, 4> four{};
  if (::inet_pton(AF_INET, literal.c_str(), four.data()) == 1) return mapped(four.data());
  AddressBytes sixteen{};
  if (::inet_pton(AF_INET6, literal.c_str(), sixteen.data()) == 1) return sixteen;
  return std::nullopt;
}

DialGate& DialGate::of_this_process() {
  static DialGate gate;
  return gate;
}

Result<void> DialGate::set_table(std::vector<AddressRule> const& blocked, std::vector<AllowedEndpoint> const& allowed) {
  auto const range_of = [](std::string const& first, std::string const& last) -> Result<Range> {
    auto const from = address_bytes(first);
    auto const to = address_bytes(last);
    if (!from || !to || *to < *from)
      return Error{Code::malformed, "an address range that is none", first + " - " + last, {}};
    return Range{*from, *to, std::nullopt};
  };
  std::vector<Range> blocked_ranges;
  std::vector<Range> allowed_ranges;
  for (auto const& rule : blocked) {
    IMPOUND_TRY(range, range_of(rule.first, rule.last));
    blocked_ranges.push_back(range);
  }
  for (auto const& rule : allowed) {
    IMPOUND_TRY(range, range_of(rule.first, rule.last));
    range.port = rule.port;
    allowed_ranges.push_back(range);
  }
  std::lock_guard const lock{mutex_};
  blocked_ = std::move(blocked_ranges);
  allowed_ = std::move(allowed_ranges);
  set_ = true;
  return ok();
}

void DialGate::open(AddressBytes const& address, std::uint16_t port) {
  std::lock_guard const lock{mutex_};
  ++opened_[{address, port}];
}

void DialGate::close(AddressBytes const& address, std::uint16_t port) {
  std::lock_guard const lock{mutex_};
  auto const found = opened_.find({address, port});
  if (found != opened_.end() && --found->second == 0) opened_.erase(found);
}

bool DialGate::allows(AddressBytes const& address, std::uint16_t port) const {
  std::lock_guard const lock{mutex_};
  if (!set_) return false;
  if (opened_.contains({address, port})) return true;
  if (!allows_one(address, port)) return false;
  auto const inner = embedded(address);
  return !inner || allows_one(*inner, port);
}

bool DialGate::allows_one(AddressBytes const& address, std::uint16_t port) const {
  for (auto const& range : allowed_) {
    if (range.holds(address) && (!range.port || *range.port == port)) return true;
  }
  return std::none_of(blocked_.begin(), blocked_.end(), [&](Range const& range) { return range.holds(address); });
}

void DialGate::only(AddressBytes const& address, std::uint16_t port) {
  std::lock_guard const lock{mutex_};
  only_ = {address, port};
  by_proxy_ = true;
}

bool DialGate::looks_names_up() const {
  std::lock_guard const lock{mutex_};
  return set_ && !only_;
}

bool DialGate::may_be_asked(std::string host, std::uint16_t port) const {
  if (host.ends_with('.')) host.pop_back();
  if (auto const literal = IpAddress::parse_any(host)) return allows(literal->bytes(), port);
  auto const in_a_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; };
  return std::all_of(host.begin(), host.end(), in_a_name) && kind_of_host(host) != HostKind::local;
}

void DialGate::dialled(int socket) {
  if (!by_proxy_) return;
  std::lock_guard const lock{mutex_};
  talks_to_proxy_[socket] = SocksStep::greeting;
}

bool DialGate::passes(int socket, std::span<iovec const> parts) {
  if (!by_proxy_) return true;
  SocksStep step = SocksStep::through;
  {
    std::lock_guard const lock{mutex_};
    auto const found = talks_to_proxy_.find(socket);
    if (found == talks_to_proxy_.end()) return true;
    step = found->second;
  }
  std::vector<std::uint8_t> bytes;
  for (iovec const& part : parts) {
    auto const* const from = static_cast<std::uint8_t const*>(part.iov_base);
    if (part.iov_len > socks_request_bytes_max - bytes.size()) return false;
    bytes.insert(bytes.end(), from, from + part.iov_len);
  }
  if (!socks_passes(step, bytes, [this](auto const& host, auto port) { return may_be_asked(host, port); }))
    return false;
  std::lock_guard const lock{mutex_};
  if (step == SocksStep::through)
    talks_to_proxy_.erase(socket);
  else
    talks_to_proxy_[socket] = step;
  return true;
}

bool DialGate::passes(AddressBytes const& address, std::uint16_t port) const {
  {
    std::lock_guard const lock{mutex_};
    if (only_) return only_ == std::pair{address, port};
  }
  return allows(address, port);
}

bool DialGate::passes(sockaddr const* address, socklen_t size) const {
  if (address == nullptr || size < sizeof(sa_family_t)) return true;
  // A datagram to an address of no family goes where IPv4 would; connect() to one only takes a connection back.
  bool const four_bytes = address->sa_family == AF_INET || address->sa_family == AF_UNSPEC;
  if (four_bytes && size >= sizeof(sockaddr_in)) {
    sockaddr_in v4{};
    std::memcpy(&v4, address, sizeof v4);
    std::array<std::uint8_t, 4> four{};
    std::memcpy(four.data(), &v4.sin_addr, four.size());
    return passes(mapped(four.data()), ntohs(v4.sin_port));
  }
  constexpr std::size_t v6_size_min = 24;  // RFC 2133's, without a scope: the kernel takes it
  if (address->sa_family == AF_INET6 && size >= v6_size_min) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address, std::min<std::size_t>(size, sizeof v6));
    AddressBytes sixteen{};
    std::memcpy(sixteen.data(), &v6.sin6_addr, sixteen.size());
    return passes(sixteen, ntohs(v6.sin6_port));
  }
  return address->sa_family != AF_INET && address->sa_family != AF_INET6;
}

}  // namespace impound::fetchers

// The calls themselves, found by the dynamic linker before libc's. They go to the kernel directly: asking the linker
// for the next definition could fail, and a gate that fails must not fail open.
extern "C" {

__attribute__((visibility("default"))) int connect(int socket, sockaddr const* address, socklen_t size) {
  if (!impound::fetchers::DialGate::of_this_process().passes(address, size)) {
    errno = EACCES;
    return -1;
  }
  impound::fetchers::DialGate::of_this_process().dialled(socket);
  return static_cast<int>(::syscall(SYS_connect, socket, address, size));
}

__attribute__((visibility("default"))) ssize_t send(int socket, void const* bytes, size_t count, int flags) {
  return ::sendto(socket, bytes, count, flags, nullptr, 0);
}

__attribute__((visibility("default"))) ssize_t sendto(int socket, void const* bytes, size_t count, int flags,
                                                      sockaddr const* address, socklen_t size) {
  auto& gate = impound::fetchers::DialGate::of_this_process();
  iovec const whole{const_cast<void*>(bytes), count};
  if (!gate.passes(address, size) || !gate.passes(socket, {&whole, 1})) {
    errno = EACCES;
    return -1;
  }
  return ::syscall(SYS_sendto, socket, bytes, count, flags, address, size);
}

__attribute__((visibility("default"))) ssize_t sendmsg(int socket, msghdr const* message, int flags) {
  auto& gate = impound::fetchers::DialGate::of_this_process();
  if (message != nullptr && (!gate.passes(static_cast<sockaddr const*>(message->msg_name), message->msg_namelen) ||
                             !gate.passes(socket, {message->msg_iov, message->msg_iovlen}))) {
    errno = EACCES;
    return -1;
  }
  return ::syscall(SYS_sendmsg, socket, message, flags);
}

/// Numbers are read by libc; a name behind a proxy is not looked up. When libc's own cannot be found, none is.
__attribute__((visibility("default"))) int getaddrinfo(char const* name, char const* service, addrinfo const* hints,
                                                       addrinfo** found) {
  using Lookup = int (*)(char const*, char const*, addrinfo const*, addrinfo**);
  static auto const next = reinterpret_cast<Lookup>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (next == nullptr) return EAI_FAIL;
  addrinfo numbers = hints == nullptr ? addrinfo{} : *hints;
  if (!impound::fetchers::DialGate::of_this_process().looks_names_up()) numbers.ai_flags |= AI_NUMERICHOST;
  return next(name, service, &numbers, found);
}

}  // extern "C"
