// Whether this process runs inside the network namespace that the settings ask for (P4): `require_netns = "NAME"`.
//
// A namespace with one way out is the only thing that no program inside it can pass by, libtorrent's own connections
// included. impound does not enter it (that takes a capability): systemd's NetworkNamespacePath= or `ip netns exec`
// does, and impound refuses to start where it does not find itself inside. The same namespace is the same device and
// inode (namespaces(7)). Any thread; what it reads is true for the process's whole life, since nothing here calls
// setns.
#pragma once

#include <string>

#include "evidence/values/result.h"

namespace impound::agent {

/// ok() when /run/netns/`name` is this process's network namespace, or `name` is "" (nothing is asked for).
/// Code::usage when it is another one or is not there: then nothing may be opened and nothing sent.
Result<void> inside_network_namespace(std::string const& name);

/// The same with both places given, for tests: `own` is /proc/self/ns/net, `folder` /run/netns.
Result<void> inside_network_namespace(std::string const& name, std::string const& own, std::string const& folder);

}  // namespace impound::agent
