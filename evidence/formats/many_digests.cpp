#include "evidence/formats/many_digests.h"

#include "evidence/formats/digests.h"
#include "evidence/values/must.h"

#ifdef IMPOUND_DIGEST_LANES
#define NO_COMPAT_IMB_API_053  // its older names are macros that stand in others' way
#include <intel-ipsec-mb.h>

#include <array>
#include <memory>
#include <vector>
#endif

namespace impound {

namespace {

void one_by_one(std::span<Bytes const> messages, std::span<Sha256> into) {
  for (std::size_t i = 0; i < messages.size(); ++i) into[i] = sha256(messages[i]);
}

#ifdef IMPOUND_DIGEST_LANES

class Lanes {
 public:
  static Lanes& of_this_thread() {
    thread_local Lanes lanes;
    return lanes;
  }

  bool work() const { return work_; }

  /// No message is empty. False: some digest was not made.
  bool hash(std::span<Bytes const> messages, std::span<Sha256> into) {
    std::size_t made = 0;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      IMB_JOB* const job = IMB_GET_NEXT_JOB(lanes_.get());
      job->cipher_mode = IMB_CIPHER_NULL;
      job->cipher_direction = IMB_DIR_ENCRYPT;
      job->chain_order = IMB_ORDER_HASH_CIPHER;
      job->hash_alg = IMB_AUTH_SHA_256;
      job->src = reinterpret_cast<std::uint8_t const*>(messages[i].data());
      job->hash_start_src_offset_in_bytes = 0;
      job->msg_len_to_hash_in_bytes = messages[i].size();
      job->auth_tag_output = reinterpret_cast<std::uint8_t*>(into[i].bytes.data());
      job->auth_tag_output_len_in_bytes = Sha256::size;
      made += completed(IMB_SUBMIT_JOB(lanes_.get()));
    }
    while (IMB_JOB const* const job = IMB_FLUSH_JOB(lanes_.get())) made += completed(job);
    return made == messages.size();
  }

 private:
  struct Free {
    void operator()(IMB_MGR* lanes) const { free_mb_mgr(lanes); }
  };

  Lanes() : lanes_(alloc_mb_mgr(0)) {
    if (!lanes_) return;
    IMB_ARCH found = IMB_ARCH_NONE;
    init_mb_mgr_auto(lanes_.get(), &found);
    work_ = found != IMB_ARCH_NONE && imb_get_errno(lanes_.get()) == 0 && right();
  }

  /// Lengths around every edge of a block and of its padding.
  bool right() {
    constexpr std::size_t longest = 200;
    std::array<std::byte, longest> text;
    for (std::size_t i = 0; i < longest; ++i) text[i] = static_cast<std::byte>(i * 31);
    std::vector<Bytes> messages;
    for (std::size_t length = 1; length <= longest; ++length) messages.push_back(Bytes{text}.first(length));
    std::vector<Sha256> ours(messages.size());
    std::vector<Sha256> theirs(messages.size());
    one_by_one(messages, ours);
    return hash(messages, theirs) && ours == theirs;
  }

  static std::size_t completed(IMB_JOB const* job) {
    return job != nullptr && job->status == IMB_STATUS_COMPLETED ? 1 : 0;
  }

  std::unique_ptr<IMB_MGR, Free> lanes_;
  bool work_ = false;
};

constexpr std::size_t worth_the_lanes = 4;
constexpr std::size_t lane_bytes_max = 1024 * 1024;

bool fit(std::span<Bytes const> messages) {
  if (messages.size() < worth_the_lanes) return false;
  for (Bytes const message : messages)
    if (message.empty() || message.size() > lane_bytes_max) return false;
  return true;
}

#endif

}  // namespace

void sha256_each(std::span<Bytes const> messages, std::span<Sha256> into) {
  must(messages.size() == into.size());
#ifdef IMPOUND_DIGEST_LANES
  Lanes& lanes = Lanes::of_this_thread();
  if (fit(messages) && lanes.work() && lanes.hash(messages, into)) return;
#endif
  one_by_one(messages, into);
}

}  // namespace impound
