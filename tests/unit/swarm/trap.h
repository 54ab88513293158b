// A loopback listener that must hear nothing.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>

#include "evidence/system/descriptor.h"

namespace impound::fetchers::test {

/// TCP, or datagrams with SOCK_DGRAM.
class Trap {
 public:
  explicit Trap(char const* ip, int kind = SOCK_STREAM)
      : socket_(::socket(AF_INET, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, ip, &address.sin_addr);
    REQUIRE(::bind(socket_.number(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    if (kind == SOCK_STREAM) REQUIRE(::listen(socket_.number(), 8) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket_.number(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  std::uint16_t port() const { return port_; }
  bool sprung() const {
    pollfd watched{socket_.number(), POLLIN, 0};
    return ::poll(&watched, 1, 0) > 0;
  }
  /// Datagrams since the last call.
  std::size_t heard() const {
    std::size_t count = 0;
    for (char byte = 0; ::recv(socket_.number(), &byte, 1, 0) >= 0;) ++count;
    return count;
  }

 private:
  Descriptor socket_;
  std::uint16_t port_ = 0;
};

}  // namespace impound::fetchers::test
