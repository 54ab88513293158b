// A libtorrent client with its posix back end and the settings that were found to be fastest on one machine: what the
// benchmark of torrents holds the worker against. tuned_leecher TORRENT FOLDER HOST PORT
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/posix_disk_io.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_status.hpp>

int main(int count, char** words) {
  using sp = lt::settings_pack;
  if (count != 5) return 2;
  sp pack;
  for (int const off : {sp::enable_dht, sp::enable_lsd, sp::enable_upnp, sp::enable_natpmp, sp::enable_outgoing_utp,
                        sp::enable_incoming_utp})
    pack.set_bool(off, false);
  pack.set_str(sp::listen_interfaces, "127.0.0.1:0");
  pack.set_int(sp::in_enc_policy, sp::pe_disabled);
  pack.set_int(sp::out_enc_policy, sp::pe_disabled);
  pack.set_int(sp::mixed_mode_algorithm, sp::prefer_tcp);
  pack.set_int(sp::max_out_request_queue, 2'000);
  pack.set_int(sp::request_queue_time, 5);
  pack.set_int(sp::max_queued_disk_bytes, 32 << 20);
  pack.set_int(sp::recv_socket_buffer_size, 2 << 20);
  pack.set_int(sp::max_peer_recv_buffer_size, 8 << 20);
  pack.set_int(sp::alert_mask, lt::alert_category::status);
  lt::session_params params{pack};
  params.disk_io_constructor = lt::posix_disk_io_constructor;
  lt::session session{std::move(params)};
  auto torrent = lt::load_torrent_file(words[1]);
  torrent.save_path = words[2];
  torrent.flags &= ~(lt::torrent_flags::auto_managed | lt::torrent_flags::paused);
  torrent.flags |= lt::torrent_flags::sequential_download;
  torrent.peers.emplace_back(lt::make_address(words[3]), static_cast<std::uint16_t>(std::atoi(words[4])));
  auto const handle = session.add_torrent(std::move(torrent));
  while (!handle.status({}).is_seeding) {
    session.wait_for_alert(std::chrono::milliseconds{50});
    std::vector<lt::alert*> alerts;
    session.pop_alerts(&alerts);
  }
  std::fflush(nullptr);
  std::_Exit(0);  // the session's last second is for trackers, of which there are none
}
