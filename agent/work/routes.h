// The routes of the settings: by which way something goes out, and an HTTP client for each. What is caused by something
// else goes the way of its cause (P4): whoever begins work hands the name of the route on.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/settings/settings.h"
#include "fetchers/http/client.h"
#include "fetchers/proxy.h"

namespace impound::agent {

struct Route {
  std::string name;
  std::optional<fetchers::Proxy> proxy{};  // nothing: direct
  bool torrents = true;
};

class Routes {
 public:
  /// Code::usage for a proxy that is none: judged before the vault is opened.
  static Result<Routes> of(Settings const& settings);

  /// The route of this name, "" for the default; the settings have checked the names they hold.
  Route const& at(std::string const& name) const;
  /// Nothing for a name that is no longer in the settings.
  Route const* find(std::string const& name) const;
  Route const& default_route() const { return at({}); }
  std::map<std::string, Route> const& all() const { return routes_; }

 private:
  std::map<std::string, Route> routes_;
  std::string default_;
};

/// Code::usage when torrents are not allowed on this route.
Result<void> check_torrents_allowed(Route const& route, std::string const& where);
/// Code::usage for a peer HOST:PORT that a route cannot reach: nobody here looks names up for a route with a proxy, and
/// libtorrent asks proxies for addresses alone.
Result<void> check_peers_reached(Route const& route, std::vector<std::string> const& peers);

/// A client for each route, made when it is first asked for. One thread at a time.
class RoutedClients {
 public:
  RoutedClients(Clock& clock, fetchers::AddressPolicy const& policy, std::string user_agent, Routes const& routes)
      : clock_(clock), policy_(policy), user_agent_(std::move(user_agent)), routes_(routes) {}

  Routes const& routes() const { return routes_; }
  fetchers::HttpClient& by(std::string const& route);

 private:
  Clock& clock_;
  fetchers::AddressPolicy const& policy_;
  std::string user_agent_;
  Routes const& routes_;
  std::map<std::string, std::unique_ptr<fetchers::HttpClient>> clients_;
};

}  // namespace impound::agent
