// What our disk back end never does: nothing moves, is renamed or deleted on a stranger's behalf. The agent does that,
// when libtorrent has let go.
//
// libtorrent calls it on its network thread.
#pragma once

#include <boost/asio/post.hpp>
#include <functional>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/storage_defs.hpp>
#include <string>
#include <utility>
#include <vector>

namespace impound::fetchers {

inline lt::storage_error refused(lt::operation_t operation) {
  return {boost::system::errc::make_error_code(boost::system::errc::operation_not_permitted), operation};
}

class RefusingDisk : public lt::disk_interface {
 public:
  void async_move_storage(
      lt::storage_index_t, std::string path, lt::move_flags_t,
      std::function<void(lt::status_t, std::string const&, lt::storage_error const&)> handler) override {
    post(std::move(handler), lt::status_t::fatal_disk_error, std::move(path), refused(lt::operation_t::file_rename));
  }
  void async_rename_file(
      lt::storage_index_t, lt::file_index_t file, std::string name,
      std::function<void(std::string const&, lt::file_index_t, lt::storage_error const&)> handler) override {
    post(std::move(handler), std::move(name), file, refused(lt::operation_t::file_rename));
  }
  void async_delete_files(lt::storage_index_t, lt::remove_flags_t,
                          std::function<void(lt::storage_error const&)> handler) override {
    post(std::move(handler), refused(lt::operation_t::file_remove));
  }

  void update_stats_counters(lt::counters&) const override {}
  std::vector<lt::open_file_state> get_status(lt::storage_index_t) const override { return {}; }
  void submit_jobs() override {}
  void settings_updated() override {}

 protected:
  explicit RefusingDisk(lt::io_context& context) : answers_(context) {}

  /// Handlers are never called from within what asks.
  template <class... Parameters, class... Arguments>
  void post(std::function<void(Parameters...)> handler, Arguments... arguments) {
    boost::asio::post(answers_, [handler = std::move(handler), ... arguments = std::move(arguments)]() mutable {
      handler(std::move(arguments)...);
    });
  }

 private:
  lt::io_context& answers_;
};

}  // namespace impound::fetchers
