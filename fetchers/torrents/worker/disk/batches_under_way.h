// Batches that were handed over and have not ended, by the folder whose journal they write: two may not write one
// journal, so that who opens one waits until its folder is quiet.
//
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace impound::fetchers {

class BatchesUnderWay {
 public:
  void begun(std::string const& folder, std::uint64_t bytes) {
    ++folders_[folder].batches;
    bytes_ += bytes;
  }
  /// Calls those that wait for this folder, unless one of them begins another batch: the others wait for that, then.
  void ended(std::string const& folder, std::uint64_t bytes) {
    bytes_ -= bytes;
    if (--folders_.at(folder).batches > 0) return;
    auto waiting = std::exchange(folders_.at(folder).waiting, {});
    folders_.erase(folder);
    for (auto& one : waiting) {
      if (auto const again = folders_.find(folder); again != folders_.end())
        again->second.waiting.push_back(std::move(one));
      else
        one();
    }
  }
  bool quiet(std::string const& folder) const { return !folders_.contains(folder); }
  /// Only while the folder is not quiet.
  void when_quiet(std::string const& folder, std::function<void()> then) {
    folders_.at(folder).waiting.push_back(std::move(then));
  }
  /// Of payload, all folders together.
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Folder {
    std::size_t batches = 0;
    std::vector<std::function<void()>> waiting{};
  };

  std::map<std::string, Folder> folders_;
  std::uint64_t bytes_ = 0;
};

}  // namespace impound::fetchers
