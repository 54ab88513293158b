// What the custody log tells at start: seen items, open attempts, torrents that are held, objects that are named.
//
// Rebuilt by reading every entry once; it lives in memory for one run, the log stays the only truth. Memory grows with
// the number of exhibits (about 100 bytes each), not with their size. One thread. Gap: an index kept between runs will
// replace this scan; until then a start reads the whole log.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/work/digests_due.h"
#include "agent/work/held_files.h"
#include "agent/work/patience.h"
#include "evidence/custody_entry.h"
#include "evidence/timestamps/stamping_history.h"
#include "evidence/values/digest.h"
#include "evidence/values/info_hash.h"
#include "evidence/warc/logged_warcs.h"

namespace impound::agent {

/// A payload file that an earlier run sealed.
struct SealedBefore {
  std::string sha256;
  std::string exhibit;
  std::uint64_t size = 0;
  std::string taken_from{};  // the exhibit that the vault had it by before; "" for what came from peers
};

struct OpenAcquisition {
  EntryId attempt;
  InfoHashes hashes{};
  Json body{};  // of the attempt: trackers, peers, limits
  std::optional<CaseName> case_name{};
  std::optional<EntryId> cause{};  // the entry that named it
  std::optional<EntryId> metadata_entry{};
  std::optional<Sha256> torrent{};  // object that holds the .torrent or the info dict
  bool torrent_is_whole = false;    // a .torrent, not only an info dict
  /// The route of the settings that it took.
  std::string route() const;
  std::int64_t begun_utc_us = 0;
  TriesBefore tries{};                           // that came to nothing
  bool by_person = false;                        // a command's, not a source's
  bool metadata_only = false;                    // the payload was not asked for
  std::map<std::string, SealedBefore> sealed{};  // payload files that are sealed already, by path_hex
  std::map<std::string, SealedBefore> parts{};   // and those of which a part is
  std::optional<SealedBefore> swarm_record{};    // the newest
};

/// A capture that a crash left without its result.
struct OpenCapture {
  Json body;
  std::optional<CaseName> case_name;
};

/// What no timestamp covers yet.
struct Unanchored {
  std::uint64_t entries = 0;  // those about timestamps not counted
  bool result = false;        // an acquisition's result or an import is among them
  std::string since_utc;      // about the oldest of them; "" when there is none
};

class Past {
 public:
  /// Takes one entry, in the log's order.
  void take(evidence::ReadEntry const& entry);

  /// Captured, and what it names was begun: a run that ended in between takes the item again.
  bool seen(std::string const& source, std::string const& key) const { return seen_.contains({source, key}); }
  void mark_seen(std::string const& source, std::string const& key) { seen_.insert({source, key}); }

  /// The acquisition.result that completed this torrent, if there is one.
  std::optional<EntryId> held(InfoHashes const& hashes) const;
  void mark_held(InfoHashes const& hashes, EntryId const& result);
  /// The exhibit.erased that took bytes of this torrent, whatever else of it is there: then it is not held, by no
  /// selection, and what was ordered gone is not fetched again.
  std::optional<EntryId> erased(InfoHashes const& hashes) const;
  /// The same for a wish that leaves files out: also a result that left the same ones out (`selection`, of the
  /// attempt).
  std::optional<EntryId> held(InfoHashes const& hashes, Json const& selection) const;
  void mark_held_in_part(InfoHashes const& hashes, Json const& selection, EntryId const& result);

  /// The attempt without a result that a wish for this torrent goes on with, if there is one. A wish for metadata alone
  /// never gets an attempt for the payload that has no metadata yet, for it would end it. Of several the oldest, one
  /// that was made for the same wish before any other.
  OpenAcquisition const* open_for(InfoHashes const& hashes, bool metadata_only) const;
  std::map<EntryId, OpenAcquisition> const& open_acquisitions() const { return open_; }
  void close(EntryId const& attempt) { open_.erase(attempt); }

  /// Attempts of captures that a crash left without a result, with their bodies.
  std::map<EntryId, OpenCapture> const& open_captures() const { return open_captures_; }

  bool logged(EntryId const& exhibit) const { return exhibits_.contains(exhibit); }
  std::set<Sha256> const& objects() const { return objects_; }
  evidence::LoggedWarcs const& warcs() const { return warcs_; }
  evidence::StampingHistory const& stamping() const { return stamping_; }
  Unanchored unanchored() const;
  /// The last limit.reached about the disk has no limit.left behind it.
  bool disk_full() const { return disk_full_; }
  std::string const& settings_sha256() const { return settings_sha256_; }
  /// Exhibits that still lack SHA-1 and MD5; those of this run are added as they are sealed.
  DigestsDue& digests() { return digests_; }
  /// Payload by its v2 root; of this run as well.
  HeldFiles const& held_files() const { return held_files_; }
  /// This run has sealed it.
  void note_sealed(Json const& body, EntryId const& exhibit);

 private:
  void take_stamping(evidence::ReadEntry const& entry);
  void take_capture_result(evidence::ReadEntry const& entry);
  void take_exhibit(evidence::ReadEntry const& entry);
  void take_acquisition_result(evidence::ReadEntry const& entry);
  void take_erasure(evidence::ReadEntry const& entry);

  std::set<std::pair<std::string, std::string>> seen_;
  std::map<InfoHashV1, EntryId> held_v1_;
  std::map<InfoHashV2, EntryId> held_v2_;
  struct HeldInPart {
    InfoHashes hashes;
    EntryId result;
  };
  std::map<std::string, std::vector<HeldInPart>> held_in_part_;  // by selection
  std::map<EntryId, OpenAcquisition> open_;
  std::map<EntryId, OpenCapture> open_captures_;
  std::map<EntryId, std::pair<std::string, std::string>> followed_;  // captures whose references are not worked off yet
  std::map<EntryId, std::pair<std::string, std::string>> failed_;    // captures of items that could not be had
  std::map<EntryId, std::optional<EntryId>> exhibits_;               // with the acquisition each is of
  std::map<EntryId, InfoHashes> ended_;                              // acquisitions that have a result
  std::map<InfoHashV1, EntryId> erased_v1_;
  std::map<InfoHashV2, EntryId> erased_v2_;
  std::set<Sha256> objects_;
  evidence::LoggedWarcs warcs_;
  std::string settings_sha256_;
  evidence::StampingHistory stamping_;
  bool disk_full_ = false;
  std::uint64_t size_ = 0;
  std::vector<std::uint64_t> about_timestamps_;  // indexes
  std::optional<std::uint64_t> last_result_;     // index
  std::string since_utc_;                        // of entry 0, then of the newest result that anchored the log
  DigestsDue digests_;
  HeldFiles held_files_;
};

/// No entry holds a longer list.
inline constexpr std::size_t entry_list_max = 50;

/// Fields of a logged body; absent or of another type gives nothing.
std::optional<std::string> text_field(Json const& body, char const* name);
std::optional<std::uint64_t> count_field(Json const& body, char const* name);
std::vector<std::string> texts_field(Json const& body, char const* name);
InfoHashes hashes_field(Json const& body);
/// The acquisition of this torrent that an attempt names, or the metadata that came for it: a magnet may name one hash
/// only, and the metadata then brings the other. Nothing for every other entry.
std::optional<EntryId> acquisition_of(evidence::ReadEntry const& entry, InfoHashes const& torrent);
/// Adds info_hash_v1 and info_hash_v2, what is there of them.
void add_hashes(Json& body, InfoHashes const& hashes);

}  // namespace impound::agent
