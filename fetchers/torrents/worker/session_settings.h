// How the libtorrent session is set up: take, never give; dial, never listen to anyone; nothing by itself.
//
// Three holes let payload out of libtorrent 2.0.8 and are closed together: upload slots, the peer class "local"
// (loopback and private addresses are always unchoked) and pieces that choked peers may ask for (BEP 6). The
// UploadGuard is the lock behind these. No later apply_settings() with a preset may follow: it would open the slots
// again.
//
// One thread, at start.
#pragma once

#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <memory>

#include "fetchers/torrents/swarm_messages.h"
#include "fetchers/torrents/worker/upload_guard.h"

namespace impound::fetchers {

lt::settings_pack swarm_settings(Configure const& from);

/// The session with guard, plugins and peer classes in place, before any torrent is in it.
std::unique_ptr<lt::session> make_session(Configure const& from, UploadCounters& counters,
                                          lt::disk_io_constructor_type disk);

}  // namespace impound::fetchers
