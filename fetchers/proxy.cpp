#include "fetchers/proxy.h"

#include "evidence/formats/text_lines.h"
#include "fetchers/ip_address.h"

namespace impound::fetchers {

namespace {

constexpr std::string_view socks5h = "socks5h://";
constexpr std::string_view http = "http://";

Error wrong(std::string what) { return Error{Code::usage, std::move(what), {}, {}}; }

}  // namespace

Result<Proxy> Proxy::parse(std::string_view text) {
  Proxy proxy;
  if (text.starts_with(socks5h)) {
    text.remove_prefix(socks5h.size());
  } else if (text.starts_with(http)) {
    proxy.kind = Kind::http;
    text.remove_prefix(http.size());
  } else {
    return wrong("must be socks5h://ADDRESS:PORT or http://ADDRESS:PORT");
  }
  if (text.find('@') != std::string_view::npos) return wrong("must hold no name or password");
  if (text.ends_with('/')) text.remove_suffix(1);
  std::size_t const colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("must end in :PORT");
  std::string_view address = text.substr(0, colon);
  auto const port = decimal(text.substr(colon + 1), 65'535);
  if (!port || *port == 0) return wrong("must end in :PORT, 1 to 65535");
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  auto const parsed = IpAddress::parse(address);
  if (!parsed) return wrong("must name the proxy by its address: a name would be looked up outside of the route");
  proxy.address = parsed->text();
  proxy.port = static_cast<std::uint16_t>(*port);
  return proxy;
}

std::string Proxy::text() const {
  auto const parsed = IpAddress::parse(address);
  return std::string(kind == Kind::http ? http : socks5h) + (parsed ? parsed->text_in_url() : address) + ":" +
         std::to_string(port);
}

}  // namespace impound::fetchers
