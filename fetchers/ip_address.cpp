#include "fetchers/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace impound::fetchers {

namespace {

constexpr std::size_t spelling_bytes_max = 64;

/// One number of an IPv4 spelling: decimal, 0 octal, 0x hex. An empty hex number ("0x") counts as 0, as browsers have
/// it.
std::optional<std::uint64_t> number(std::string_view text) {
  if (text.empty()) return std::nullopt;
  unsigned base = 10;
  if (text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() >= 2 && text[0] == '0') {
    base = 8;
    text.remove_prefix(1);
  }
  std::uint64_t value = 0;
  for (char const c : text) {
    unsigned digit = 99;
    if (c >= '0' && c <= '9') digit = static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') digit = static_cast<unsigned>(c - 'A') + 10;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
    if (value > 0xffffffffu) return std::nullopt;
  }
  return value;
}

/// a, a.b, a.b.c or a.b.c.d, where the last number fills all the bytes that are left (inet_aton).
std::optional<std::uint32_t> any_v4(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  std::uint64_t parts[4] = {};
  std::size_t count = 0;
  while (true) {
    auto const dot = text.find('.');
    auto const part = number(text.substr(0, dot));
    if (!part || count == 4) return std::nullopt;
    parts[count++] = *part;
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  std::uint64_t address = 0;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (parts[i] > 255) return std::nullopt;
    address |= parts[i] << (24 - 8 * i);
  }
  if (parts[count - 1] >> (8 * (5 - count))) return std::nullopt;
  return static_cast<std::uint32_t>(address | parts[count - 1]);
}

}  // namespace

IpAddress IpAddress::v4(std::uint32_t address) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[10] = bytes[11] = 0xff;
  for (unsigned i = 0; i < 4; ++i) bytes[12 + i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
  return {false, bytes};
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> const& bytes) { return {true, bytes}; }

std::uint32_t IpAddress::v4_number() const {
  return std::uint32_t{bytes_[12]} << 24 | std::uint32_t{bytes_[13]} << 16 | std::uint32_t{bytes_[14]} << 8 |
         bytes_[15];
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() > spelling_bytes_max || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::string const terminated(text);
  in_addr four{};
  if (inet_pton(AF_INET, terminated.c_str(), &four) == 1) return v4(ntohl(four.s_addr));
  std::array<std::uint8_t, 16> six{};
  if (inet_pton(AF_INET6, terminated.c_str(), six.data()) == 1) return v6(six);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse_any(std::string_view text) {
  if (text.size() > spelling_bytes_max) return std::nullopt;
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    auto const inner = parse(text.substr(1, text.size() - 2));
    if (!inner || inner->is_v4()) return std::nullopt;
    return inner;
  }
  if (auto const plain = parse(text)) return plain;
  if (auto const four = any_v4(text)) return v4(*four);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from(sockaddr const* address, std::size_t size) {
  if (address == nullptr || size < sizeof(sa_family_t)) return std::nullopt;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in four{};
    std::memcpy(&four, address, sizeof four);
    return v4(ntohl(four.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 six{};
    std::memcpy(&six, address, sizeof six);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), six.sin6_addr.s6_addr, bytes.size());
    return v6(bytes);
  }
  return std::nullopt;
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = "";
  if (v6_) {
    inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof buffer);
  } else {
    inet_ntop(AF_INET, bytes_.data() + 12, buffer, sizeof buffer);
  }
  return buffer;
}

std::string IpAddress::text_in_url() const {
  std::string out = text();
  if (v6_) {
    out.insert(out.begin(), '[');
    out.push_back(']');
  }
  return out;
}

}  // namespace impound::fetchers
