#include "fetchers/torrents/worker/rights.h"

#include "evidence/system/worker_start.h"

namespace impound::fetchers {

SandboxRights swarm_worker_rights(int staging_folder) {
  SandboxRights rights;
  rights.folders.push_back({staging_folder, true});
  // Tracker names are looked up by getaddrinfo inside libtorrent. Without resolv.conf it would ask 127.0.0.1.
  // Gap: a file here is meant as it is at the start. When the network changes and /etc/resolv.conf is replaced, names
  // are unknown until the worker is started again; looking names up in the agent would end that.
  rights.readable = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"};
  // OpenSSL's settings and the authorities that are trusted; links in certs/ lead into the other two.
  for (char const* path :
       {"/etc/ssl/openssl.cnf", "/etc/ssl/certs", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"}) {
    rights.readable.emplace_back(path);
  }
  rights.network = true;
  rights.further_calls = {"syncfs"};  // a batch of many small files
  rights.other_user = agent_is_another_user();
  return rights;
}

}  // namespace impound::fetchers
