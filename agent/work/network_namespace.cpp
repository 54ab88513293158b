#include "agent/work/network_namespace.h"

#include <sys/stat.h>

#include <cerrno>

namespace impound::agent {

Result<void> inside_network_namespace(std::string const& name) {
  return inside_network_namespace(name, "/proc/self/ns/net", "/run/netns");
}

Result<void> inside_network_namespace(std::string const& name, std::string const& own, std::string const& folder) {
  if (name.empty()) return ok();
  std::string const place = folder + "/" + name;
  struct stat wanted {
  }, here{};
  if (::stat(place.c_str(), &wanted) != 0) {
    bool const absent = errno == ENOENT || errno == ENOTDIR;
    return Error{Code::usage,
                 "the network namespace " + name + " of network.require_netns " +
                     (absent ? "is not there" : "cannot be looked at"),
                 place, "Make it (ip netns add " + name + "), or correct the setting"};
  }
  // Without /proc nobody can say where this process runs: refused like any other doubt.
  if (::stat(own.c_str(), &here) != 0)
    return Error{Code::usage, "cannot tell in which network namespace this runs", own, "Mount /proc"};
  if (wanted.st_dev == here.st_dev && wanted.st_ino == here.st_ino) return ok();
  return Error{Code::usage, "this does not run in the network namespace " + name + " of network.require_netns", place,
               "Start it there: ip netns exec " + name + " impound …, or NetworkNamespacePath=" + place +
                   " in its systemd unit"};
}

}  // namespace impound::agent
