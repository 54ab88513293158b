#include "fetchers/torrents/worker/session_settings.h"

#include <libtorrent/alert.hpp>
#include <libtorrent/extensions/ut_metadata.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/peer_class.hpp>
#include <libtorrent/settings_pack.hpp>

namespace impound::fetchers {

namespace {

using sp = lt::settings_pack;

void take_and_never_give(sp& pack) {
  pack.set_int(sp::choking_algorithm, sp::fixed_slots_choker);  // rate_based always adds a slot of its own
  pack.set_int(sp::unchoke_slots_limit, 0);                     // 0 is none; -1 would be unlimited
  pack.set_int(sp::num_optimistic_unchoke_slots, 0);            // alone it would mean "automatic"
  pack.set_int(sp::allowed_fast_set_size, 0);
  pack.set_int(sp::suggest_mode, sp::no_piece_suggestions);
  pack.set_int(sp::predictive_piece_announce, 0);
  pack.set_bool(sp::seeding_outgoing_connections, false);
}

void dial_and_never_listen(sp& pack) {
  // Trackers are asked from a listening socket, so there is one; whoever connects to it is dropped at once, which also
  // keeps out the v2 handshake that crashes 2.0.8 (fixed in 2.0.14).
  pack.set_str(sp::listen_interfaces, "0.0.0.0:0,[::]:0");
  pack.set_bool(sp::enable_incoming_tcp, false);
  pack.set_bool(sp::enable_incoming_utp, false);
  pack.set_bool(sp::enable_outgoing_utp, false);
  pack.set_int(sp::mixed_mode_algorithm, sp::prefer_tcp);
  pack.set_bool(sp::enable_dht, false);
  pack.set_str(sp::dht_bootstrap_nodes, "");
  pack.set_bool(sp::enable_lsd, false);
  pack.set_bool(sp::enable_upnp, false);
  pack.set_bool(sp::enable_natpmp, false);
  pack.set_bool(sp::allow_i2p_mixed, false);
}

void take_fast(sp& pack) {
  pack.set_int(sp::tick_interval, 100);  // peers are dialled at ticks: 500 ms was half a second before the first byte
  pack.set_int(sp::out_enc_policy, sp::pe_enabled);
  pack.set_int(sp::in_enc_policy, sp::pe_enabled);
  pack.set_int(sp::max_out_request_queue, 2'000);
  pack.set_int(sp::request_queue_time, 5);
  pack.set_int(sp::max_queued_disk_bytes, 32 << 20);
  pack.set_int(sp::recv_socket_buffer_size, 2 << 20);
  pack.set_int(sp::max_peer_recv_buffer_size, 8 << 20);
  pack.set_int(sp::file_pool_size, 200);
  pack.set_int(sp::connection_speed, 200);
  pack.set_int(sp::torrent_connect_boost, 60);
  pack.set_int(sp::min_reconnect_time, 1);
  pack.set_bool(sp::close_redundant_connections, false);  // seeds stay while the choice of files is waited for
  pack.set_bool(sp::allow_multiple_connections_per_ip, true);
  pack.set_bool(sp::announce_to_all_tiers, true);
  pack.set_bool(sp::announce_to_all_trackers, true);
  pack.set_int(sp::stop_tracker_timeout, 1);
  // Nothing waits for a slot: the agent decides how many jobs there are.
  pack.set_int(sp::connections_limit, 500);
  pack.set_int(sp::active_downloads, -1);
  pack.set_int(sp::active_seeds, -1);
  pack.set_int(sp::active_limit, -1);
}

void open_no_door_for_local_peers(lt::session& session) {
  auto local = session.get_peer_class(lt::session::local_peer_class_id);
  local.ignore_unchoke_slots = false;
  local.connection_limit_factor = 100;
  session.set_peer_class(lt::session::local_peer_class_id, local);
  lt::ip_filter everyone;
  auto const global = std::uint32_t{1} << static_cast<std::uint32_t>(lt::session::global_peer_class_id);
  everyone.add_rule(lt::make_address("0.0.0.0"), lt::make_address("255.255.255.255"), global);
  everyone.add_rule(lt::make_address("::"), lt::make_address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), global);
  session.set_peer_class_filter(everyone);
}

/// All that leaves goes to the proxy, names as they are. What cannot (UDP) is off; the gate holds it to that.
void go_by(sp& pack, Proxy const& proxy) {
  pack.set_int(sp::proxy_type, proxy.kind == Proxy::Kind::http ? sp::http : sp::socks5);
  pack.set_str(sp::proxy_hostname, proxy.address);
  pack.set_int(sp::proxy_port, proxy.port);
  pack.set_bool(sp::proxy_hostnames, true);
  pack.set_bool(sp::proxy_peer_connections, true);
  pack.set_bool(sp::proxy_tracker_connections, true);
  pack.set_bool(sp::anonymous_mode, true);
}

/// A guest: asks, is no node for others (BEP 43), and announces nothing. It begins with the first job that asks.
void ask_dht(sp& pack, std::vector<std::string> const& nodes) {
  std::string list;
  for (auto const& node : nodes) list += (list.empty() ? "" : ",") + node;
  pack.set_str(sp::dht_bootstrap_nodes, list);
  pack.set_bool(sp::dht_read_only, true);
  pack.set_bool(sp::use_dht_as_fallback, false);
}

}  // namespace

lt::settings_pack swarm_settings(Configure const& from) {
  sp pack;
  take_and_never_give(pack);
  dial_and_never_listen(pack);
  take_fast(pack);
  pack.set_str(sp::user_agent, from.user_agent);
  if (from.way_out.proxy) go_by(pack, *from.way_out.proxy);
  if (from.way_out.dht()) ask_dht(pack, from.way_out.dht_nodes);
  pack.set_int(sp::max_metadata_size,
               static_cast<int>(std::min<std::uint64_t>(from.limits.metadata_bytes_max, 30u << 20)));
  pack.set_int(sp::metadata_token_limit, 2'000'000);
  pack.set_int(sp::alert_queue_size, 1'000'000);
  pack.set_int(sp::alert_mask, lt::alert_category::error | lt::alert_category::status | lt::alert_category::storage |
                                   lt::alert_category::file_progress | lt::alert_category::connect |
                                   lt::alert_category::dht_operation | lt::alert_category::tracker);
  return pack;
}

std::unique_ptr<lt::session> make_session(Configure const& from, UploadCounters& counters,
                                          lt::disk_io_constructor_type disk) {
  // Only the guard here: the defaults (ut_metadata, ut_pex, smart_ban) would come with it. PEX stays out, and so does
  // smart_ban, which reads failed blocks from the disk, and that gives nobody a byte. libtorrent itself puts the peers
  // of a failed piece on parole, where each loads whole pieces alone, and bans the one whose piece then fails.
  lt::session_params params{swarm_settings(from), {std::make_shared<UploadGuard>(counters)}};
  params.disk_io_constructor = std::move(disk);
  auto session = std::make_unique<lt::session>(std::move(params));
  session->add_extension(&lt::create_ut_metadata_plugin);
  open_no_door_for_local_peers(*session);
  return session;
}

}  // namespace impound::fetchers
