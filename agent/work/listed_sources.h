// Trackers and peers as an entry lists them: bounded, whatever content names, and nobody is asked who is not listed.
// Pure; any thread.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "evidence/formats/canonical_json.h"

namespace impound::agent {

/// As many of them as an entry has room for, beside two other such lists: at most 50, of 8 KiB together.
Json listed(std::vector<std::string> const& texts);

/// A tracker or peer as the log has it.
std::string as_listed(std::string const& text);

/// Those that are not in `known`, a list of an earlier entry.
std::vector<std::string> not_listed(std::vector<std::string> texts, std::vector<std::string> const& known);

/// Takes away those that are neither in `known` nor fit into a new list behind `first`; then adds what is only in
/// `known`.
void keep_listed(std::vector<std::string>& texts, std::vector<std::string> const& known,
                 std::vector<std::string> const& first = {});

/// Adds to `own` what it lacks, and returns that.
template <class Source>
std::vector<Source> join_sources(std::vector<Source>& own, std::vector<Source> const& others) {
  std::vector<Source> fresh;
  for (Source const& one : others)
    if (std::find(own.begin(), own.end(), one) == own.end()) fresh.push_back(one);
  own.insert(own.end(), fresh.begin(), fresh.end());
  return fresh;
}

}  // namespace impound::agent
