#include "fetchers/torrents/way_out.h"

namespace impound::fetchers {

namespace {

constexpr std::size_t node_bytes_max = 260;

Error malformed() { return Error{Code::malformed, "an agent's message is malformed: the way out", {}, {}}; }

}  // namespace

void add_way_out(Frame& frame, WayOut const& way_out) {
  if (way_out.proxy) frame["proxy"] = way_out.proxy->text();
  if (!way_out.dht_nodes.empty()) frame["dht"] = way_out.dht_nodes;
}

Result<WayOut> way_out_from(Frame const& frame, std::size_t& fields) {
  WayOut way_out;
  if (frame.contains("proxy")) {
    ++fields;
    if (!frame["proxy"].is_string()) return malformed();
    IMPOUND_TRY(proxy, Proxy::parse(frame["proxy"].get<std::string>()));
    way_out.proxy = std::move(proxy);
  }
  if (!frame.contains("dht")) return way_out;
  ++fields;
  Frame const& nodes = frame["dht"];
  if (!nodes.is_array() || nodes.empty() || nodes.size() > dht_nodes_max) return malformed();
  for (Frame const& node : nodes) {
    if (!node.is_string()) return malformed();
    std::string text = node.get<std::string>();
    // They are handed to libtorrent as one list.
    if (text.empty() || text.size() > node_bytes_max || text.find_first_of(", ") != std::string::npos)
      return malformed();
    way_out.dht_nodes.push_back(std::move(text));
  }
  return way_out;
}

}  // namespace impound::fetchers
