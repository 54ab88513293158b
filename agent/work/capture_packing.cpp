#include "agent/work/capture_packing.h"

#include <pthread.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "agent/work/capture_records.h"
#include "agent/work/capture_result.h"

namespace impound::agent {

namespace {

PackedResult packed(EndedCapture capture, Randomness& randomness) {
  std::vector<Sha256> const digests = body_digests(capture.hops);
  Json body = result_body(capture.order, capture.hops, digests, capture.captured, capture.kept);
  Result<evidence::PackedCapture> records = evidence::PackedCapture{};
  if (capture.kept) records = pack_capture(capture.hops, digests, capture.attempt, told_in_warc(body), randomness);
  return {std::move(capture.order), capture.attempt,    std::move(capture.captured), capture.kept, capture.bytes,
          std::move(body),          std::move(records), std::move(capture.then)};
}

}  // namespace

Result<std::unique_ptr<CapturePacking>> CapturePacking::make(Randomness& randomness) {
  Descriptor drained{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!drained) return from_errno(errno, "cannot wait for what is packed", {});
  return std::unique_ptr<CapturePacking>{new CapturePacking(randomness, std::move(drained))};
}

CapturePacking::CapturePacking(Randomness& randomness, Descriptor drained)
    : randomness_(randomness), drained_(std::move(drained)), thread_([this] { run(); }) {
  ::pthread_setname_np(thread_.native_handle(), "packing");
}

CapturePacking::~CapturePacking() {
  {
    std::lock_guard const hold{lock_};
    stopping_ = true;
  }
  arrived_.notify_one();
  thread_.join();
}

void CapturePacking::add(EndedCapture capture) {
  ++count_;
  bool first = false;
  {
    std::lock_guard const hold{lock_};
    first = waiting_.empty();
    waiting_.push_back(std::move(capture));
  }
  if (first) arrived_.notify_one();
}

std::vector<PackedResult> CapturePacking::take() {
  eventfd_t seen = 0;
  (void)::eventfd_read(drained_.number(), &seen);
  std::lock_guard const hold{lock_};
  count_ -= packed_.size();
  return std::exchange(packed_, {});
}

void CapturePacking::run() {
  std::unique_lock hold{lock_};
  for (;;) {
    arrived_.wait(hold, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    EndedCapture next = std::move(waiting_.front());
    waiting_.pop_front();
    hold.unlock();
    PackedResult result = packed(std::move(next), randomness_);
    hold.lock();
    packed_.push_back(std::move(result));
    if (waiting_.empty()) (void)::eventfd_write(drained_.number(), 1);
  }
}

}  // namespace impound::agent
