// Sealing::recover(): every plan that a crash left is carried on by the steps of sealing.cpp.
#include <algorithm>
#include <charconv>
#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/sealing.h"
#include "evidence/sealing_batch.h"
#include "evidence/torn.h"
#include "evidence/vault.h"

namespace impound::evidence {

namespace {

constexpr std::string_view sealing_folder = "staging/sealing";

/// The number of "<n>.plan".
std::optional<std::uint64_t> plan_number(std::string const& name) {
  std::uint64_t number = 0;
  auto const [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || std::string_view(end) != ".plan") return std::nullopt;
  return number;
}

}  // namespace

Result<std::size_t> Sealing::recover(AlreadyLogged const& already_logged) {
  recovery_ = {};
  std::size_t recorded = 0;
  std::vector<std::uint64_t> numbers;
  IMPOUND_TRY(names, vault_.list(sealing_folder, 1'000'000));
  for (FolderEntry const& entry : names)
    if (auto const number = plan_number(entry.name)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  for (std::uint64_t const number : numbers) {
    IMPOUND_TRY(count, recover_plan(number, already_logged));
    recorded += count;
  }
  IMPOUND_CHECK(clear_leftovers());
  return recorded;
}

Result<std::size_t> Sealing::recover_plan(std::uint64_t number, AlreadyLogged const& already_logged) {
  IMPOUND_TRY(bytes, read_whole(vault_, plan_path(number), plan_bytes_max));
  auto plan = read_plan(bytes);
  std::size_t recorded = 0;
  if (plan) {
    // Present is not durable: the run before may have died of this file's sync. Written anew, it outlives what follows,
    // so that objects/ never holds what no plan and no entry names.
    IMPOUND_CHECK(write_whole(vault_, plan_path(number), bytes_of(bytes), Replace::yes));
    ++recovery_.plans;
    Batch batch;
    batch.number = number;
    batch.files = std::move(plan->files);
    batch.make_items();
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
      Item& item = batch.items[i];
      std::optional<Sha256> digest = item.planned->arrival;
      if (plan->digests) {
        // No digest in a plan that has them: refused before the crash.
        auto const found = plan->digests->find(i);
        digest = found == plan->digests->end() ? std::nullopt : std::optional{found->second};
        if (!digest && !already_logged(*item.planned->exhibit.id)) {
          refuse(batch, item, Error{Code::refused, "refused before the crash", item.planned->staged_path, {}});
          recovery_.refused.push_back(item.outcome);
          continue;
        }
      }
      bool found = false;
      if (digest) {
        IMPOUND_TRY(there, find_again(batch, item, *digest));
        found = there;
      }
      if (!found) IMPOUND_CHECK(give_back(batch, item));
      if (!found && plan->digests && !already_logged(*item.planned->exhibit.id) && is_nowhere(item)) {
        item.outcome.refused = Error{
            Code::damaged, "neither its object nor the file is there after the crash", item.planned->staged_path, {}};
        recovery_.refused.push_back(item.outcome);
      }
    }
    IMPOUND_CHECK(make_durable(batch));
    IMPOUND_CHECK(read_back(batch));
    IMPOUND_CHECK(move_to_objects(batch));
    IMPOUND_TRY(count, record_batch(batch, already_logged));
    recorded = count;
    for (Item const& item : batch.items)
      if (item.outcome.refused && item.outcome.sha256) recovery_.refused.push_back(item.outcome);
  }
  IMPOUND_CHECK(vault_.remove(plan_path(number)));
  return recorded;
}

/// Looks for bytes with that digest where the crash may have left them. Which renames survived a power cut is not
/// known: none was synced before the object's folder was.
Result<bool> Sealing::find_again(Batch& batch, Item& item, Sha256 const& digest) {
  std::string const held = item.held;
  std::string const object = object_path(digest);
  bool found = false;
  for (std::string const& path : {object, copy_path(held), held, item.planned->staged_path}) {
    auto facts = vault_.facts_of(path);
    if (!facts) continue;
    if (found) {  // the same bytes once more, of a batch that died before it dropped them
      if (path != item.planned->staged_path) batch.to_drop.push_back(path);
      continue;
    }
    if (facts.value().type != FileFacts::Type::file || facts.value().size != item.planned->size) continue;
    if (path != object && (facts.value().owner != owner_uid_ || facts.value().links != 1)) continue;
    IMPOUND_TRY(file, DiskFile::open(vault_, path, Open::read));
    IMPOUND_TRY(hashed, hash(batch, item, file));
    if (hashed.sha256 != digest || hashed.size != item.planned->size) continue;
    // Nobody may write to it any more: workers have ended before recovery begins, and hold no lock on their folder.
    if (path != object) {
      IMPOUND_TRY(lease, vault_.take_lease(file.handle()));
      if (lease == Lease::busy) continue;
      item.leased = lease == Lease::taken;
    }
    found = true;
    item.held = path;
    item.in_objects = path == object;
    item.outcome.sha256 = digest;
    item.outcome.was_present = path == object;
    if (item.in_objects && facts.value().mode != 0400) IMPOUND_CHECK(file.set_mode(0400));
    if (!item.in_objects) item.file = std::move(file);
  }
  return found;
}

/// Of what was hashed before the crash: it was refused as it was to become an object, or the disk has lost it.
bool Sealing::is_nowhere(Item const& item) {
  return !vault_.facts_of(item.held) && !vault_.facts_of(item.planned->staged_path);
}

/// The process before may have died of a failed sync. The kernel then calls pages clean that never reached the disk,
/// and a new sync, of a new process at that, is a success: only the disk can tell.
Result<void> Sealing::read_back(Batch& batch) {
  for (Item& item : batch.items) {
    if (item.left_out || item.in_objects) continue;
    IMPOUND_CHECK(item.file.forget_cached());
    IMPOUND_TRY(hashed, hash_open_file(item.file, item.planned->size, batch.buffer));
    if (hashed.sha256 == *item.outcome.sha256 && hashed.size == item.planned->size) continue;
    refuse(batch, item,
           Error{Code::damaged,
                 "the disk has lost bytes of it: a sync before the crash had failed",
                 item.planned->staged_path,
                 {}});
  }
  return ok();
}

/// Nothing vouches for these bytes. The acquisition checks what lies in its folder, and hands it over again.
Result<void> Sealing::give_back(Batch const& batch, Item& item) {
  item.left_out = true;
  IMPOUND_CHECK(drop_if_there(copy_path(item.held)));
  std::string const& staged = item.planned->staged_path;
  auto moved = vault_.rename(item.held, staged, Replace::no);
  bool const ours = folder_of(staged) == sealing_folder;
  if (moved || moved.error().code == Code::not_found) {
    if (!ours && vault_.facts_of(staged)) {
      recovery_.given_back.push_back(staged);
      return ok();
    }
    if (moved) return ok();
    if (!vault_.facts_of(item.held)) return ok();  // it did not survive
  }
  IMPOUND_TRY(path,
              set_aside(vault_, item.held,
                        "sealing-" + std::to_string(batch.number) + "-" + std::to_string(&item - batch.items.data())));
  recovery_.set_aside.push_back(path);
  return ok();
}

/// No plan is left: what still lies here is our own drafts, or what a lost rename brought back.
Result<void> Sealing::clear_leftovers() {
  IMPOUND_TRY(names, vault_.list(sealing_folder, 1'000'000));
  for (FolderEntry const& entry : names) {
    std::string const path = std::string(sealing_folder) + "/" + entry.name;
    std::string_view const name = entry.name;
    if (entry.type == FileFacts::Type::file && (name.ends_with(".copy") || name.ends_with(".bytes") ||
                                                name.ends_with(".tail") || name.ends_with(".plan.tmp"))) {
      IMPOUND_CHECK(vault_.remove(path));
      continue;
    }
    IMPOUND_TRY(moved, set_aside(vault_, path, "sealing-" + entry.name));
    recovery_.set_aside.push_back(moved);
  }
  return ok();
}

}  // namespace impound::evidence
