// The last word on where this process may send: asked at every connect(), send(), sendto() and sendmsg() of an Internet
// socket.
//
// libtorrent's own address filter knows addresses, not ports, and judges before names are looked up and redirects
// followed in all the ways it has. This gate stands below it: dial_gate.cpp defines those calls in the executable,
// where the dynamic linker finds them before libc's, for libtorrent as well. What the table blocks gets EACCES, unless
// the operator opened exactly that address and port, or its network. Until the table is set, nothing goes out at all.
//
// With a proxy (P4) nothing but its address and port passes, and getaddrinfo(), which stands here as well, looks no
// name up. What is asked of the proxy is judged as it leaves, in send() and sendmsg(): the table holds for its
// addresses in every spelling, and local names are not asked for (P5). Without a proxy, look-ups go to the resolver the
// machine is set up with: what glibc sends does not pass here, nor does a raw system call.
//
// Any thread.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "evidence/values/result.h"
#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/torrents/worker/socks_calls.h"

namespace impound::fetchers {

/// An address as its 16 bytes; IPv4 as ::ffff:a.b.c.d, so that every spelling of it is the same.
using AddressBytes = std::array<std::uint8_t, 16>;

std::optional<AddressBytes> address_bytes(std::string const& literal);

class DialGate {
 public:
  /// The one that stands in front of this process's sockets.
  static DialGate& of_this_process();

  /// Code::malformed for a range that is none.
  Result<void> set_table(std::vector<AddressRule> const& blocked, std::vector<AllowedEndpoint> const& allowed);
  /// From now on only this address and port can be dialled. What allows() says of others stays the table's word: they
  /// are reached by the proxy, if at all.
  void only(AddressBytes const& address, std::uint16_t port);
  bool looks_names_up() const;
  /// A proxy may be asked for it: a name that is not local, or an address, however it is written, that allows() has.
  bool may_be_asked(std::string host, std::uint16_t port) const;
  /// This socket is dialled: with a proxy, the next it says is a greeting of SOCKS5.
  void dialled(int socket);
  /// Whether these bytes may be said on a socket, dialled or not.
  bool passes(int socket, std::span<iovec const> parts);
  /// Opens exactly this address and port, as often as it is given back.
  void open(AddressBytes const& address, std::uint16_t port);
  void close(AddressBytes const& address, std::uint16_t port);

  bool allows(AddressBytes const& address, std::uint16_t port) const;
  /// Whether a packet may go there. True as well for families other than IPv4 and IPv6, which are none of its business.
  bool passes(sockaddr const* address, socklen_t size) const;

 private:
  struct Range {
    AddressBytes first;
    AddressBytes last;
    std::optional<std::uint16_t> port;
    bool holds(AddressBytes const& address) const { return first <= address && address <= last; }
  };
  bool passes(AddressBytes const& address, std::uint16_t port) const;
  bool allows_one(AddressBytes const& address, std::uint16_t port) const;

  mutable std::mutex mutex_;
  bool set_ = false;
  std::optional<std::pair<AddressBytes, std::uint16_t>> only_;
  std::atomic<bool> by_proxy_ = false;         // only_ is set: asked without the lock at every send()
  std::map<int, SocksStep> talks_to_proxy_{};  // until each is through
  std::vector<Range> blocked_;
  std::vector<Range> allowed_;
  std::map<std::pair<AddressBytes, std::uint16_t>, std::size_t> opened_;
};

}  // namespace impound::fetchers
