#include "fetchers/torrents/worker/storage_gate.h"

#include <boost/asio/post.hpp>
#include <cstdio>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/posix_disk_io.hpp>
#include <libtorrent/storage_defs.hpp>
#include <map>
#include <memory>
#include <utility>

namespace impound::fetchers {

namespace {

bool acceptable(lt::file_storage const& files, std::uint64_t files_max) {
  if (static_cast<std::uint64_t>(files.num_files()) > 2 * files_max) return false;
  for (auto const index : files.file_range()) {
    if (files.file_flags(index) & lt::file_storage::flag_symlink) return false;
  }
  return true;
}

class StorageGate final : public lt::disk_interface {
 public:
  StorageGate(lt::io_context& context, std::unique_ptr<lt::disk_interface> behind, std::uint64_t files_max)
      : context_(context), behind_(std::move(behind)), files_max_(files_max) {}

  lt::storage_holder new_torrent(lt::storage_params const& asked, std::shared_ptr<void> const& torrent) override {
    auto kept = std::make_unique<Kept>();
    kept->acceptable = acceptable(asked.files, files_max_);
    lt::storage_params params = asked;
    if (kept->acceptable) {
      kept->names = asked.files;
      for (auto const index : asked.files.file_range()) kept->names.rename_file(index, staged_name(index));
      params.mapped_files = &kept->names;
    }
    kept->holder = behind_->new_torrent(params, torrent);
    lt::storage_index_t const index = kept->holder;
    kept_[index] = std::move(kept);
    return {index, *this};
  }
  void remove_torrent(lt::storage_index_t storage) override { kept_.erase(storage); }

  void async_check_files(lt::storage_index_t storage, lt::add_torrent_params const* resume,
                         lt::aux::vector<std::string, lt::file_index_t> links,
                         std::function<void(lt::status_t, lt::storage_error const&)> handler) override {
    if (kept_.at(storage)->acceptable)
      return behind_->async_check_files(storage, resume, std::move(links), std::move(handler));
    // Checking comes before the first file is made: a torrent that fails here has touched nothing.
    lt::storage_error const error{boost::system::errc::make_error_code(boost::system::errc::operation_not_permitted),
                                  lt::operation_t::file_open};
    boost::asio::post(context_,
                      [handler = std::move(handler), error] { handler(lt::status_t::fatal_disk_error, error); });
  }

  void async_read(lt::storage_index_t storage, lt::peer_request const& request,
                  std::function<void(lt::disk_buffer_holder, lt::storage_error const&)> handler,
                  lt::disk_job_flags_t flags) override {
    behind_->async_read(storage, request, std::move(handler), flags);
  }
  bool async_write(lt::storage_index_t storage, lt::peer_request const& request, char const* bytes,
                   std::shared_ptr<lt::disk_observer> observer, std::function<void(lt::storage_error const&)> handler,
                   lt::disk_job_flags_t flags) override {
    return behind_->async_write(storage, request, bytes, std::move(observer), std::move(handler), flags);
  }
  void async_hash(
      lt::storage_index_t storage, lt::piece_index_t piece, lt::span<lt::sha256_hash> v2, lt::disk_job_flags_t flags,
      std::function<void(lt::piece_index_t, lt::sha1_hash const&, lt::storage_error const&)> handler) override {
    behind_->async_hash(storage, piece, v2, flags, std::move(handler));
  }
  void async_hash2(
      lt::storage_index_t storage, lt::piece_index_t piece, int offset, lt::disk_job_flags_t flags,
      std::function<void(lt::piece_index_t, lt::sha256_hash const&, lt::storage_error const&)> handler) override {
    behind_->async_hash2(storage, piece, offset, flags, std::move(handler));
  }
  void async_move_storage(
      lt::storage_index_t storage, std::string path, lt::move_flags_t flags,
      std::function<void(lt::status_t, std::string const&, lt::storage_error const&)> handler) override {
    behind_->async_move_storage(storage, std::move(path), flags, std::move(handler));
  }
  void async_release_files(lt::storage_index_t storage, std::function<void()> handler) override {
    behind_->async_release_files(storage, std::move(handler));
  }
  void async_stop_torrent(lt::storage_index_t storage, std::function<void()> handler) override {
    behind_->async_stop_torrent(storage, std::move(handler));
  }
  void async_rename_file(
      lt::storage_index_t storage, lt::file_index_t index, std::string name,
      std::function<void(std::string const&, lt::file_index_t, lt::storage_error const&)> handler) override {
    behind_->async_rename_file(storage, index, std::move(name), std::move(handler));
  }
  void async_delete_files(lt::storage_index_t storage, lt::remove_flags_t options,
                          std::function<void(lt::storage_error const&)> handler) override {
    behind_->async_delete_files(storage, options, std::move(handler));
  }
  void async_set_file_priority(
      lt::storage_index_t storage, lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
      std::function<void(lt::storage_error const&, lt::aux::vector<lt::download_priority_t, lt::file_index_t>)> handler)
      override {
    behind_->async_set_file_priority(storage, std::move(priorities), std::move(handler));
  }
  void async_clear_piece(lt::storage_index_t storage, lt::piece_index_t piece,
                         std::function<void(lt::piece_index_t)> handler) override {
    behind_->async_clear_piece(storage, piece, std::move(handler));
  }
  void update_stats_counters(lt::counters& counters) const override { behind_->update_stats_counters(counters); }
  std::vector<lt::open_file_state> get_status(lt::storage_index_t storage) const override {
    return behind_->get_status(storage);
  }
  void abort(bool wait) override { behind_->abort(wait); }
  void submit_jobs() override { behind_->submit_jobs(); }
  void settings_updated() override { behind_->settings_updated(); }

 private:
  struct Kept {
    bool acceptable = false;
    lt::file_storage names;     // the back end points into it for as long as it has the torrent
    lt::storage_holder holder;  // gives the torrent back to the back end: before the names go
  };

  lt::io_context& context_;
  std::unique_ptr<lt::disk_interface> behind_;
  std::uint64_t files_max_;
  std::map<lt::storage_index_t, std::unique_ptr<Kept>> kept_;
};

}  // namespace

std::string staged_name(lt::file_index_t index) {
  char name[16];
  std::snprintf(name, sizeof name, "%06d", static_cast<int>(index));
  return name;
}

lt::disk_io_constructor_type gated_posix_disk(std::uint64_t files_max) {
  return [files_max](lt::io_context& context, lt::settings_interface const& settings, lt::counters& counters) {
    return std::make_unique<StorageGate>(context, lt::posix_disk_io_constructor(context, settings, counters),
                                         files_max);
  };
}

}  // namespace impound::fetchers
