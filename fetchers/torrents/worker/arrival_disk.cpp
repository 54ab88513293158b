#include "fetchers/torrents/worker/arrival_disk.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/disk_buffer_holder.hpp>
#include <libtorrent/disk_interface.hpp>
#include <libtorrent/disk_observer.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/io_context.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/storage_defs.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fetchers/torrents/worker/disk/batches_under_way.h"
#include "fetchers/torrents/worker/disk/sync_thread.h"
#include "fetchers/torrents/worker/peers_seen.h"
#include "fetchers/torrents/worker/refusing_disk.h"
#include "fetchers/torrents/worker/torrent_layout.h"

namespace impound::fetchers {

namespace {

std::string last_part(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  auto const slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

lt::storage_error storage_error(Error const& error, lt::operation_t operation) {
  int const number = error.code == Code::no_space ? ENOSPC : EIO;
  return {lt::error_code{number, lt::system_category()}, operation};
}

template <class EngineHash, class Ours>
EngineHash engine_hash(Ours const& ours) {
  return EngineHash{reinterpret_cast<char const*>(ours.bytes.data())};
}

class ArrivalDisk final : public RefusingDisk, public PieceListener {
 public:
  ArrivalDisk(lt::io_context& context, std::shared_ptr<Disk> disk, ArrivalLimits const& limits,
              std::shared_ptr<Arrivals> arrivals)
      : RefusingDisk(context),
        context_(context),
        timer_(context),
        disk_(std::move(disk)),
        limits_(limits),
        arrivals_(std::move(arrivals)),
        sync_thread_(std::make_unique<SyncThread>(disk_)) {
    arrivals_->listener = this;
  }
  virtual ~ArrivalDisk() {
    if (arrivals_->listener == this) arrivals_->listener = nullptr;
  }

  lt::storage_holder new_torrent(lt::storage_params const& asked, std::shared_ptr<void> const& torrent) override {
    lt::storage_index_t const index{next_++};
    Storage& storage = storages_[index];
    storage.torrent = torrent.get();
    storage.folder = last_part(asked.path);
    arrivals_->in_use(storage.folder);
    for (auto const priority : asked.priorities) storage.wanted.push_back(priority != lt::dont_download);
    if (acceptable(asked.files, limits_.files_max)) {
      storage.make = [this, index, folder = storage.folder, map = map_of(asked.files), v2 = asked.files.v2(),
                      identity = identity_of(asked)] {
        auto kept = std::make_unique<KeptTorrent>(*disk_, folder, map, v2, identity, counters_, limits_.kept);
        kept->files_left(arrivals_->left(folder));
        kept->choose(storages_.at(index).wanted);
        return kept;
      };
    }
    if (!ticking_) tick();
    return {index, *this};
  }

  void remove_torrent(lt::storage_index_t index) override {
    begin_batch(storages_.at(index));
    std::string const folder = storages_.at(index).folder;
    storages_.erase(index);
    when_quiet(folder, [arrivals = arrivals_, folder] { arrivals->let_go(folder); });
  }

  void async_check_files(lt::storage_index_t index, lt::add_torrent_params const*,
                         lt::aux::vector<std::string, lt::file_index_t>,
                         std::function<void(lt::status_t, lt::storage_error const&)> handler) override {
    auto& storage = storages_.at(index);
    if (!storage.make)
      return post(std::move(handler), lt::status_t::fatal_disk_error, refused(lt::operation_t::file_open));
    begin_batch(storage);  // where this is a second check, which believes nothing
    when_quiet(storage.folder, [this, index, handler = std::move(handler)] {
      auto const found = storages_.find(index);
      if (found == storages_.end()) return handler(lt::status_t::fatal_disk_error, refused(lt::operation_t::file_open));
      auto const opened = open(found->second);
      if (!opened)
        return handler(lt::status_t::fatal_disk_error, storage_error(opened.error(), lt::operation_t::file_open));
      handler(opened.value() ? lt::status_t::need_full_check : lt::status_t::no_error, lt::storage_error{});
    });
  }

  bool async_write(lt::storage_index_t index, lt::peer_request const& block, char const* bytes,
                   std::shared_ptr<lt::disk_observer> observer, std::function<void(lt::storage_error const&)> handler,
                   lt::disk_job_flags_t) override {
    lt::storage_error error = refused(lt::operation_t::file_write);
    auto& storage = storages_.at(index);
    auto const coming = std::exchange(coming_, std::nullopt);
    if (storage.kept && block.length >= 0) {
      bool const known = coming && coming->torrent == storage.torrent && coming->block == block;
      auto const sender = known ? std::optional{coming->sender}
                                : arrivals_->whole_piece_of(storage.folder, static_cast<int>(block.piece));
      auto const written = storage.kept->write(
          static_cast<std::size_t>(static_cast<int>(block.piece)), static_cast<std::uint64_t>(block.start),
          std::as_bytes(std::span{bytes, static_cast<std::size_t>(block.length)}), sender);
      error = written ? lt::storage_error{} : storage_error(written.error(), lt::operation_t::file_write);
      begin_batch_when_due(storage);
    }
    if (withheld_.empty() && bytes_not_on_the_medium() <= limits_.unsynced_bytes_max) {
      post(std::move(handler), error);
      return false;
    }
    // Saying "full" is not enough: a peer none of whose blocks waits may always send one more.
    withheld_.push_back({std::move(handler), error, std::move(observer)});
    if (under_way_.bytes() == 0) begin_all_batches();
    return true;
  }

  void async_read(lt::storage_index_t, lt::peer_request const&,
                  std::function<void(lt::disk_buffer_holder, lt::storage_error const&)> handler,
                  lt::disk_job_flags_t) override {
    ++counters_.reads_refused;
    count();
    boost::asio::post(context_, [handler = std::move(handler)] {
      handler(lt::disk_buffer_holder{}, refused(lt::operation_t::file_read));
    });
  }

  void async_hash(
      lt::storage_index_t index, lt::piece_index_t piece, lt::span<lt::sha256_hash> v2, lt::disk_job_flags_t flags,
      std::function<void(lt::piece_index_t, lt::sha1_hash const&, lt::storage_error const&)> handler) override {
    lt::storage_error error = refused(lt::operation_t::file_read);
    lt::sha1_hash v1;
    if (auto const& kept = storages_.at(index).kept) {
      auto const hashes = kept->hash(static_cast<std::size_t>(static_cast<int>(piece)),
                                     {bool(flags & lt::disk_interface::v1_hash), static_cast<std::size_t>(v2.size())});
      error = hashes ? lt::storage_error{} : storage_error(hashes.error(), lt::operation_t::file_read);
      if (hashes && hashes.value().v1) v1 = engine_hash<lt::sha1_hash>(*hashes.value().v1);
      for (std::ptrdiff_t i = 0; hashes && i < v2.size(); ++i)
        v2[i] = engine_hash<lt::sha256_hash>(hashes.value().blocks[static_cast<std::size_t>(i)]);
    }
    count();
    post(std::move(handler), piece, v1, error);
  }

  void async_hash2(
      lt::storage_index_t index, lt::piece_index_t piece, int offset, lt::disk_job_flags_t,
      std::function<void(lt::piece_index_t, lt::sha256_hash const&, lt::storage_error const&)> handler) override {
    lt::storage_error error = refused(lt::operation_t::file_read);
    lt::sha256_hash v2;
    if (auto const& kept = storages_.at(index).kept) {
      auto const hash =
          kept->hash_block(static_cast<std::size_t>(static_cast<int>(piece)), static_cast<std::uint64_t>(offset));
      error = hash ? lt::storage_error{} : storage_error(hash.error(), lt::operation_t::file_read);
      if (hash) v2 = engine_hash<lt::sha256_hash>(hash.value());
    }
    post(std::move(handler), piece, v2, error);
  }

  void async_set_file_priority(
      lt::storage_index_t index, lt::aux::vector<lt::download_priority_t, lt::file_index_t> priorities,
      std::function<void(lt::storage_error const&, lt::aux::vector<lt::download_priority_t, lt::file_index_t>)> handler)
      override {
    auto& storage = storages_.at(index);
    storage.wanted.clear();
    for (auto const priority : priorities) storage.wanted.push_back(priority != lt::dont_download);
    if (storage.kept) storage.kept->choose(storage.wanted);
    post(std::move(handler), lt::storage_error{}, std::move(priorities));
  }

  void async_release_files(lt::storage_index_t index, std::function<void()> handler) override {
    auto& storage = storages_.at(index);
    begin_batch(storage);  // an error is kept, and every later write says it
    if (storage.kept) storage.kept->close_files();
    when_quiet(storage.folder, [handler = std::move(handler)] {
      if (handler) handler();
    });
  }
  void async_stop_torrent(lt::storage_index_t index, std::function<void()> handler) override {
    async_release_files(index, std::move(handler));
  }
  void async_clear_piece(lt::storage_index_t index, lt::piece_index_t piece,
                         std::function<void(lt::piece_index_t)> handler) override {
    auto const& storage = storages_.at(index);
    auto const number = static_cast<std::size_t>(static_cast<int>(piece));
    auto lost = storage.kept ? storage.kept->failed(number) : std::vector<LostRun>{};
    if (!lost.empty()) arrivals_->lost(storage.folder, {utc_now_us(), number, std::move(lost)});  // else nobody sent it
    post(std::move(handler), piece);
  }

  void abort(bool) override {
    aborted_ = true;
    timer_.cancel();
    begin_all_batches();
    sync_thread_.reset();  // waits for them; what they have to say is posted
  }

  void block_comes(void const* torrent, lt::peer_request const& block, Sender const& sender) override {
    coming_ = Coming{torrent, block, sender};
  }

  void piece_passed(void const* torrent, lt::piece_index_t piece) override {
    for (auto& [index, storage] : storages_) {
      if (storage.torrent != torrent || !storage.kept) continue;
      storage.kept->passed(static_cast<std::size_t>(static_cast<int>(piece)));
      for (auto const& span : storage.kept->map().spans(static_cast<std::size_t>(static_cast<int>(piece)), 0,
                                                        storage.kept->map().piece_length()))
        tell_reached(storage, span.file);
      tell_broken(storage);
      if (storage.kept->behind() && !storage.catching_up) catch_up(index, storage);
    }
    count();
  }

 private:
  struct Storage {
    void const* torrent = nullptr;  // compared, never followed
    std::string folder;
    std::function<std::unique_ptr<KeptTorrent>()> make;  // none: the torrent is not taken
    std::unique_ptr<KeptTorrent> kept;                   // from the check of its files on
    std::vector<bool> wanted;                            // by file; those behind its end are
    bool catching_up = false;
  };
  struct Coming {
    void const* torrent = nullptr;  // compared, never followed
    lt::peer_request block;
    Sender sender;
  };
  struct Withheld {
    std::function<void(lt::storage_error const&)> handler;
    lt::storage_error error;
    std::weak_ptr<lt::disk_observer> observer;
  };
  Result<bool> open(Storage& storage) {
    bool const again = storage.kept != nullptr;
    storage.kept = storage.make();
    auto opened = storage.kept->open(again ? KeptTorrent::Journal::begun_anew : KeptTorrent::Journal::believed);
    count();
    for (std::size_t i = 0; opened && i < storage.kept->map().files().size(); ++i) tell_digest(storage, i);
    return opened;
  }

  void begin_batch(Storage& storage) {
    auto batch = storage.kept && sync_thread_ ? storage.kept->take_batch() : std::nullopt;
    if (!batch) return;
    under_way_.begun(storage.folder, batch->bytes);
    // libtorrent's thread must not run out of work, and end, before it has heard.
    auto const work = boost::asio::make_work_guard(context_);
    sync_thread_->hand_over(std::move(*batch), [this, work](Batch const& ended, Result<void> const& done) {
      boost::asio::post(context_, [this, work, ended, done] { batch_ended(ended, done); });
    });
  }
  void begin_batch_when_due(Storage& storage) {
    if (storage.kept->bytes_pending() >= limits_.batch_bytes) begin_batch(storage);
  }
  void begin_all_batches() {
    for (auto& [index, storage] : storages_) begin_batch(storage);
  }

  void batch_ended(Batch const& ended, Result<void> const& done) {
    if (auto const failure = ended.journal->failure(); failure && !done)
      arrivals_->broke(ended.folder, *failure);  // also where its torrent is gone already
    for (auto& [index, storage] : storages_) {
      if (!storage.kept || !storage.kept->writes_into(*ended.journal)) continue;
      storage.kept->batch_ended(done, ended.finished);
      for (std::size_t const file : ended.finished) tell_digest(storage, file);
    }
    count();
    under_way_.ended(ended.folder, ended.bytes);
    release_writes();
  }

  void when_quiet(std::string const& folder, std::function<void()> then) {
    if (under_way_.quiet(folder))
      boost::asio::post(context_, std::move(then));
    else
      under_way_.when_quiet(folder, std::move(then));
  }

  std::uint64_t bytes_not_on_the_medium() const {
    std::uint64_t bytes = under_way_.bytes();
    for (auto const& [index, storage] : storages_) bytes += storage.kept ? storage.kept->bytes_pending() : 0;
    return bytes;
  }
  void release_writes() {
    if (withheld_.empty()) return;
    if (bytes_not_on_the_medium() > limits_.unsynced_bytes_max && !aborted_) {
      if (under_way_.bytes() == 0) begin_all_batches();
      return;
    }
    auto const all = std::exchange(withheld_, {});
    for (auto const& one : all) post(one.handler, one.error);
    for (auto const& one : all)
      boost::asio::post(context_, [observer = one.observer] {
        if (auto const there = observer.lock()) there->on_disk();
      });
  }

  /// A part now, and the rest when libtorrent has had its turn.
  void catch_up(lt::storage_index_t index, Storage& storage) {
    storage.catching_up = storage.kept->behind();
    tell_broken(storage);
    if (!storage.catching_up) return tell_all_reached(storage);
    boost::asio::post(context_, [this, index] {
      auto const found = storages_.find(index);
      if (found == storages_.end() || !found->second.kept) return;
      found->second.kept->catch_up();
      catch_up(index, found->second);
    });
  }

  void tell_reached(Storage& storage, std::size_t file) {
    auto const& stored = storage.kept->map().files()[file];
    if (!stored.pad && stored.size >= reached_from_bytes && !storage.kept->digest(file))
      arrivals_->reached(storage.folder, static_cast<int>(file), storage.kept->reached(file));
  }
  void tell_all_reached(Storage& storage) {
    for (std::size_t i = 0; i < storage.kept->map().files().size(); ++i) tell_reached(storage, i);
  }
  void tell_digest(Storage& storage, std::size_t file) {
    auto const digest = storage.kept->durable_digest(file);
    if (!digest) return;
    storage.kept->let_go(file);  // who takes it over must find it closed
    arrivals_->arrived(storage.folder, static_cast<int>(file), *digest);
  }
  void tell_broken(Storage const& storage) {
    if (auto const& error = storage.kept->broken()) arrivals_->broke(storage.folder, {*error});
  }
  void count() { arrivals_->count(counters_); }

  void tick() {
    ticking_ = true;
    timer_.expires_after(std::min(limits_.batch_at_least_every, limits_.whole_at_least_every));
    timer_.async_wait([this](boost::system::error_code const& error) {
      if (error || aborted_) return;
      auto const now = std::chrono::steady_clock::now();
      bool const all = now - all_begun_ >= limits_.batch_at_least_every;
      if (all) all_begun_ = now;
      for (auto& [index, storage] : storages_)
        if (all || (storage.kept && storage.kept->whole_waits())) begin_batch(storage);
      ticking_ = !storages_.empty();
      if (ticking_) tick();
    });
  }

  lt::io_context& context_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<Disk> disk_;
  ArrivalLimits limits_;
  std::shared_ptr<Arrivals> arrivals_;
  DiskCounters counters_;
  std::map<lt::storage_index_t, Storage> storages_;
  std::uint32_t next_ = 0;
  bool ticking_ = false;
  bool aborted_ = false;
  std::chrono::steady_clock::time_point all_begun_{};  // batches of all torrents, by the clock
  BatchesUnderWay under_way_;
  std::vector<Withheld> withheld_;
  std::optional<Coming> coming_;
  std::unique_ptr<SyncThread> sync_thread_;  // none once aborted
};

}  // namespace

lt::disk_io_constructor_type arrival_disk(std::shared_ptr<Disk> disk, ArrivalLimits const& limits,
                                          std::shared_ptr<Arrivals> arrivals) {
  return [disk = std::move(disk), limits, arrivals = std::move(arrivals)](
             lt::io_context& context, lt::settings_interface const&, lt::counters&) {
    return std::make_unique<ArrivalDisk>(context, disk, limits, arrivals);
  };
}

}  // namespace impound::fetchers
