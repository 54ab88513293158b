// Copies of the last checkpoint in other places ([vault] last_checkpoint_copies): one signed note each, replaced as a
// whole. They catch what STATE alone cannot: vault and STATE put back together. Put them where whoever restores those
// two does not restore them as well: another disk, another machine's share.
//
// A copy is written after STATE's and before log/checkpoint, so none is ever older than what has left the process, but
// for one that could not be written: that is told once an outage, and nothing waits for it. (A file system that hangs
// does hold the publish up.) The folder is opened anew each time, so that a disk that comes back is written again.
//
// The writer's thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound::evidence {

class CheckpointCopies {
 public:
  struct Place {
    std::string path;  // as the settings name it
    std::string name;  // in its folder
    std::function<Result<std::unique_ptr<Disk>>()> folder;
  };
  struct Copy {
    std::string path;
    std::string bytes;
  };
  /// `tell` gets a line for the operator's log.
  using Tell = std::function<void(std::string const& line)>;

  CheckpointCopies(std::vector<Place> places, Tell tell) : places_(std::move(places)), tell_(std::move(tell)) {
    out_.resize(places_.size());
  }

  /// Those that are there. One that is missing or cannot be read is told of and passed over.
  std::vector<Copy> read();
  /// Replaces each that says something else, durable on return; what fails is told of.
  void write(std::string_view note);

 private:
  void outage(std::size_t place, std::string const& what, Error const& error);

  std::vector<Place> places_;
  Tell tell_;
  std::vector<bool> out_;  // told of, and not yet written again
};

}  // namespace impound::evidence
