#include "evidence/open_file_hash.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

namespace impound::evidence {

namespace {

// Small enough that two threads find a block in the shared cache (walking cold memory costs a third of the rate).
constexpr std::size_t ring_block_bytes = 256 * 1024;
constexpr std::size_t ring_blocks = 8;
/// A second thread costs about as much as hashing this.
constexpr std::uint64_t second_thread_from = 1024 * 1024;

Error interrupted() { return Error{Code::cancelled, "interrupted", {}, {}}; }

/// Reads [0, size] block by block, one byte beyond `size` if there is one, and hands each block over. `next` gives the
/// buffer for the next block.
template <class NextBuffer, class Take>
Result<std::uint64_t> each_block(DiskFile& file, std::uint64_t size, NextBuffer const& next, Take const& take,
                                 std::function<bool()> const& stop) {
  std::uint64_t done = 0;
  while (done <= size) {
    if (stop && stop()) return interrupted();
    std::span<std::byte> const buffer = next();
    std::size_t const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - done + 1));
    IMPOUND_TRY(count, file.read(done, buffer.first(wanted)));
    if (count == 0) break;
    take(Bytes{buffer.first(count)});
    done += count;
  }
  return done;
}

/// A ring of blocks between the thread that reads and the one that hashes MD5. A block is written to again only once it
/// was hashed.
class Md5Beside {
 public:
  Md5Beside() : thread_([this] { run(); }) {}
  ~Md5Beside() { end(); }
  Md5Beside(Md5Beside const&) = delete;
  Md5Beside& operator=(Md5Beside const&) = delete;

  std::span<std::byte> next_buffer() {
    std::unique_lock hold(lock_);
    changed_.wait(hold, [this] { return filled_ - hashed_ < ring_blocks; });
    return blocks_[filled_ % ring_blocks];
  }
  void hand_over(std::size_t bytes) {
    {
      std::lock_guard const hold(lock_);
      sizes_[filled_++ % ring_blocks] = bytes;
    }
    changed_.notify_all();
  }
  Md5 finish() {
    end();
    return md5_.finish();
  }

 private:
  void end() {
    {
      std::lock_guard const hold(lock_);
      ended_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  void run() {
    std::unique_lock hold(lock_);
    for (;;) {
      changed_.wait(hold, [this] { return hashed_ < filled_ || ended_; });
      if (hashed_ == filled_) return;
      std::size_t const at = hashed_ % ring_blocks;
      std::size_t const bytes = sizes_[at];
      hold.unlock();
      md5_.add(Bytes{blocks_[at]}.first(bytes));
      hold.lock();
      ++hashed_;
      changed_.notify_all();
    }
  }

  std::vector<std::vector<std::byte>> blocks_ =
      std::vector<std::vector<std::byte>>(ring_blocks, std::vector<std::byte>(ring_block_bytes));
  std::array<std::size_t, ring_blocks> sizes_{};
  std::uint64_t filled_ = 0;  // blocks, since the start
  std::uint64_t hashed_ = 0;
  bool ended_ = false;
  Md5Stream md5_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::thread thread_;  // last: it starts when everything else is there
};

}  // namespace

Result<HashedBytes> hash_open_file(DiskFile& file, std::uint64_t size, std::vector<std::byte>& buffer,
                                   std::function<bool()> const& stop) {
  Sha256Stream digest;
  IMPOUND_TRY(done, each_block(
                        file, size, [&] { return std::span{buffer}; }, [&](Bytes block) { digest.add(block); }, stop));
  return HashedBytes{digest.finish(), done};
}

Result<HashedThrice> hash_open_file_thrice(DiskFile& file, std::uint64_t size, std::function<bool()> const& stop) {
  if (size < second_thread_from) {
    ThreeDigests digests;
    std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(ring_block_bytes, size + 1)));
    IMPOUND_CHECK(each_block(
        file, size, [&] { return std::span{buffer}; }, [&](Bytes block) { digests.add(block); }, stop));
    return digests.finish();
  }
  Md5Beside md5;
  Sha256Stream sha256;
  Sha1Stream sha1;
  IMPOUND_TRY(done, each_block(
                        file, size, [&] { return md5.next_buffer(); },
                        [&](Bytes block) {
                          md5.hand_over(block.size());
                          sha256.add(block);
                          sha1.add(block);
                        },
                        stop));
  return HashedThrice{{sha256.finish(), done}, {sha1.finish(), md5.finish()}};
}

void ThreeDigests::add(Bytes block) {
  sha256_.add(block);
  sha1_.add(block);
  md5_.add(block);
  size_ += block.size();
}

HashedThrice ThreeDigests::finish() {
  std::uint64_t const size = std::exchange(size_, 0);
  return {{sha256_.finish(), size}, {sha1_.finish(), md5_.finish()}};
}

}  // namespace impound::evidence
