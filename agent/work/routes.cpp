#include "agent/work/routes.h"

#include "agent/work/addresses.h"
#include "evidence/values/must.h"

namespace impound::agent {

Result<Routes> Routes::of(Settings const& settings) {
  Routes routes;
  routes.routes_.emplace(direct_route, Route{direct_route});
  for (RouteSettings const& one : settings.routes) {
    auto proxy = fetchers::Proxy::parse(one.proxy);
    if (!proxy)
      return Error{Code::usage, "setting route." + one.name + ".proxy " + proxy.error().what, settings.file,
                   "Tor's own is socks5h://127.0.0.1:9050"};
    if (one.allow_torrents && proxy.value().kind == fetchers::Proxy::Kind::http)
      return Error{Code::usage, "setting route." + one.name + ".allow_torrents needs a socks5h proxy", settings.file,
                   "libtorrent looks names up itself for an HTTP proxy"};
    routes.routes_.emplace(one.name, Route{one.name, std::move(proxy).value(), one.allow_torrents});
  }
  routes.default_ = settings.default_route.empty() ? direct_route : settings.default_route;
  return routes;
}

Route const* Routes::find(std::string const& name) const {
  auto const found = routes_.find(name.empty() ? default_ : name);
  return found == routes_.end() ? nullptr : &found->second;
}

Route const& Routes::at(std::string const& name) const {
  Route const* const route = find(name);
  must(route != nullptr);
  return *route;
}

Result<void> check_torrents_allowed(Route const& route, std::string const& where) {
  if (route.torrents) return ok();
  return Error{Code::usage, "the route \"" + route.name + "\" takes no torrents", where,
               "Unless its proxy is Tor, which asks not to be used for them: allow_torrents = true under [route." +
                   route.name + "]"};
}

Result<void> check_peers_reached(Route const& route, std::vector<std::string> const& peers) {
  if (!route.proxy) return ok();
  for (std::string const& peer : peers)
    if (!is_literal_peer(peer))
      return Error{Code::usage, "a peer by name cannot be reached by the route \"" + route.name + "\"", peer,
                   "Give its address: nothing is looked up beside a proxy"};
  return ok();
}

fetchers::HttpClient& RoutedClients::by(std::string const& route) {
  Route const& taken = routes_.at(route);
  auto& client = clients_[taken.name];
  if (!client) client = std::make_unique<fetchers::HttpClient>(clock_, policy_, user_agent_, taken.proxy);
  return *client;
}

}  // namespace impound::agent
