// What is about to be said to a SOCKS5 proxy, read before it leaves (RFC 1928 §3 and §4).
//
// A proxy is asked for peers and trackers by libtorrent, and for whatever a tracker's redirect names, which nobody sees
// beforehand. So the request itself is judged, on its way to the socket. A connection begins with a greeting without
// authentication, then asks for one CONNECT, each in one piece: anything else is refused, BIND and UDP ASSOCIATE too.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace impound::fetchers {

enum class SocksStep { greeting, request, through };

/// The longest request: four bytes, a name of 255 behind its length, a port.
constexpr std::size_t socks_request_bytes_max = 4 + 1 + 255 + 2;

/// True when these bytes may leave at this step, which then moves on. `may_be_asked` judges the target, a literal
/// address or a name.
bool socks_passes(SocksStep& step, std::span<std::uint8_t const> bytes,
                  std::function<bool(std::string const& host, std::uint16_t port)> const& may_be_asked);

}  // namespace impound::fetchers
