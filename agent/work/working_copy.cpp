#include "agent/work/working_copy.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "agent/service/terminal.h"
#include "agent/work/places.h"
#include "evidence/formats/hex.h"
#include "evidence/formats/utf8.h"
#include "evidence/vault.h"

namespace impound::agent {

namespace {

constexpr std::size_t name_bytes_max = 240;      // 255 is the file systems' bound; " (99999)" must fit behind it
constexpr std::size_t folder_bytes_max = 2'000;  // of a path that still gets folders beneath it; 4,096 is the kernel's
constexpr std::size_t extension_bytes_max = 20;  // kept when a name is cut
constexpr std::size_t path_characters_max = 1'000;   // of a path in an entry
constexpr std::size_t kernel_copy_bytes = 64 << 20;  // between two looks at Stop
constexpr std::uint32_t file_mode = 0444;
constexpr std::uint32_t folder_mode = 0755;

Error cancelled() { return Error{Code::cancelled, "interrupted", {}, {}}; }

/// C0, DEL, C1, the separators of lines, and what turns the direction of writing, so that a program's name
/// reads like a picture's.
bool harmful(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == '/' || (point >= 0x200b && point <= 0x200f) ||
         (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

std::string folded(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// Windows takes "nul", "NUL.txt" and "nul .tar.gz" for the device.
bool names_device(std::string_view name) {
  std::string stem = folded(std::string(name.substr(0, name.find('.'))));
  stem.erase(stem.find_last_not_of(' ') + 1);
  for (char const* device : {"con", "prn", "aux", "nul", "conin$", "conout$"})
    if (stem == device) return true;
  if (!stem.starts_with("com") && !stem.starts_with("lpt")) return false;
  std::string const number = stem.substr(3);
  return (number.size() == 1 && number[0] >= '0' && number[0] <= '9') || number == "¹" || number == "²" ||
         number == "³";
}

/// Where an extension begins: the last dot that has a name in front of it and little behind it; else the end.
std::size_t extension_at(std::string_view name) {
  auto const dot = name.rfind('.');
  bool const none = dot == std::string_view::npos || dot == 0 || name.size() - dot > extension_bytes_max;
  return none ? name.size() : dot;
}

/// At most `bytes_max` bytes, between two characters.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

bool dot_or_space(char c) { return c == '.' || c == ' '; }

std::string numbered(std::string const& name, std::size_t number) {
  std::size_t const at = extension_at(name);
  return name.substr(0, at) + " (" + std::to_string(number) + ")" + name.substr(at);
}

/// The safe names given so far, folder by folder.
class Names {
 public:
  Names() { taken_.insert(folded(std::string(names_file))); }

  std::string path_for(std::string_view original) {
    std::string folder;
    std::size_t begin = 0;
    for (std::size_t slash; (slash = original.find('/', begin)) != std::string_view::npos; begin = slash + 1) {
      std::string& known = folders_[std::string(original.substr(0, slash))];
      // A path must stay one that can be opened by its name: what lies deeper comes into the last folder that fits.
      bool const fits = folder.size() <= folder_bytes_max;
      if (known.empty()) known = fits ? free_path(folder, safe_name(original.substr(begin, slash - begin))) : folder;
      folder = known;
    }
    return free_path(folder, safe_name(original.substr(begin)));
  }

 private:
  std::string free_path(std::string const& folder, std::string const& name) {
    std::string const front = folder.empty() ? "" : folder + "/";
    std::string path = front + name;
    if (taken_.insert(folded(path)).second) return path;
    // The next number is kept: a hostile list of equal names must not cost the square of its length.
    std::size_t& next = next_.try_emplace(folded(path), 2).first->second;
    do path = front + numbered(name, next++);
    while (!taken_.insert(folded(path)).second);
    return path;
  }

  std::map<std::string, std::string> folders_;  // the original path of a folder → its safe path
  std::set<std::string> taken_;
  std::map<std::string, std::size_t> next_;
};

/// False when the kernel cannot do it for these two files.
Result<bool> copied_in_kernel(int from, int to, std::uint64_t size, Stop const& stop) {
  off_t in = 0;
  off_t out = 0;
  while (static_cast<std::uint64_t>(in) < size) {
    if (stop && stop()) return cancelled();
    std::uint64_t const left = size - static_cast<std::uint64_t>(in);
    std::size_t const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, kernel_copy_bytes));
    ssize_t const count = ::copy_file_range(from, &in, to, &out, wanted, 0);
    if (count > 0 || (count < 0 && errno == EINTR)) continue;
    if (count < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
      return from_errno(errno, "cannot copy", "");
    return false;  // 0: shorter than it was, or a file system that says no more than that
  }
  return true;
}

bool is_empty(LinuxDisk& folder) {
  auto const names = folder.list("", 0);
  return names && names.value().empty();
}

Result<void> set_folder_mode(LinuxDisk& disk, std::string const& path) {
  IMPOUND_TRY(folder, DiskFile::open(disk, path, Open::read));
  return folder.set_mode(folder_mode);
}

/// The same error, with the place that those below did not know.
Error at(Error error, std::string const& where) {
  if (error.where.empty()) error.where = where;
  return error;
}

}  // namespace

std::string safe_name(std::string_view part) {
  std::string safe;
  while (!part.empty()) {
    Utf8Character const one = first_character(part);
    if (one.bytes == 0) {
      char text[8];
      std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(part.front())));
      safe += text;
    } else if (harmful(one.point)) {
      safe += '_';
    } else {
      safe += part.substr(0, one.bytes);
    }
    part.remove_prefix(std::max<std::size_t>(one.bytes, 1));
  }
  if (safe.empty()) return "_";
  if (names_device(safe)) safe.insert(0, "_");
  if (safe.size() > name_bytes_max) {
    std::string const extension = safe.substr(extension_at(safe));
    safe = std::string(cut(safe, name_bytes_max - extension.size())) + extension;
  }
  if (dot_or_space(safe.front())) safe.front() = '_';
  if (dot_or_space(safe.back())) safe.back() = '_';
  return safe;
}

std::vector<std::string> safe_names(std::span<std::string const> originals) {
  Names names;
  std::vector<std::string> safe;
  safe.reserve(originals.size());
  for (std::string const& original : originals) safe.push_back(names.path_for(original));
  return safe;
}

Result<void> copy_bytes(DiskFile& from, DiskFile& to, std::uint64_t size, std::vector<std::byte>& block,
                        Stop const& stop) {
  if (::ioctl(to.handle(), FICLONE, from.handle()) == 0) return ok();
  IMPOUND_TRY(done, copied_in_kernel(from.handle(), to.handle(), size, stop));
  if (done) return ok();
  for (std::uint64_t at = 0; at < size;) {
    if (stop && stop()) return cancelled();
    std::size_t const wanted = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), size - at));
    IMPOUND_TRY(count, from.read(at, std::span{block}.first(wanted)));
    if (count == 0) return ok();
    IMPOUND_CHECK(to.write(at, Bytes{block}.first(count)));
    at += count;
  }
  return ok();
}

Result<std::string> place_for_copy(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  struct stat found {};
  if (::lstat(path.c_str(), &found) == 0) {
    if (!S_ISDIR(found.st_mode)) return Error{Code::usage, "this is there and no folder", path, "Name a new folder"};
    auto const real = real_path(path);
    if (!real) return from_errno(errno, "cannot look at the folder", path);
    IMPOUND_TRY(folder, LinuxDisk::open_at(*real));
    if (!is_empty(*folder))
      return Error{Code::usage, "the folder is not empty", path, "A copy goes into a new or an empty folder"};
    return *real;
  }
  FilePlace const place = file_place(path);
  auto const above = real_path(place.folder);
  if (!above || place.name.empty())
    return Error{Code::usage, "the folder above it is not there", path, "Make it first, or name another place"};
  return (*above == "/" ? "" : *above) + "/" + place.name;
}

bool is_beneath(std::string const& path, std::string const& folder) {
  auto const outer = real_path(folder);
  FilePlace const place = file_place(path);
  auto inner = real_path(path);
  if (!inner)
    if (auto const above = real_path(place.folder)) inner = *above + "/" + place.name;
  if (!outer || !inner) return false;
  return *outer == "/" || *inner == *outer || inner->starts_with(*outer + "/");
}

void add_path(Json& body, std::string const& key, std::string const& path) {
  std::string const text = shown(path, path_characters_max);
  body[key] = text;
  if (text != path) body[key + "_hex"] = hex(bytes_of(path));
}

Result<WorkingCopy> WorkingCopy::begin(std::string const& path) {
  WorkingCopy copy;
  copy.path_ = path;
  FilePlace const place = file_place(path);
  IMPOUND_TRY(above, LinuxDisk::open_at(place.folder));
  auto const made = above->make_folder(place.name);
  if (!made && made.error().code != Code::exists) return made.error();
  IMPOUND_TRY(root, LinuxDisk::open_at(path));
  copy.above_ = std::move(above);
  copy.root_ = std::move(root);
  copy.made_root_ = made.has_value();
  if (!is_empty(*copy.root_)) return Error{Code::exists, "the folder is no longer empty", path, "Name a new folder"};
  if (copy.made_root_) IMPOUND_CHECK(set_folder_mode(*copy.root_, ""));
  return copy;
}

WorkingCopy::~WorkingCopy() {
  if (root_ && !kept_) remove();
}

Result<void> WorkingCopy::make_folder(std::string const& path) {
  if (path.empty() || made_.contains(path)) return ok();
  IMPOUND_CHECK(make_folder(std::string(folder_of(path))));
  IMPOUND_CHECK(root_->make_folder(path));
  made_.insert(path);
  folders_.push_back(path);
  return set_folder_mode(*root_, path);
}

Result<DiskFile> WorkingCopy::create(std::string const& path) {
  IMPOUND_CHECK(make_folder(std::string(folder_of(path))));
  IMPOUND_TRY(file, DiskFile::open(*root_, path, Open::create));
  files_.push_back(path);
  return file;
}

Result<void> WorkingCopy::copy_one(LinuxDisk& vault, ToCopy const& file, std::string const& path, Stop const& stop) {
  std::string const object = evidence::object_path(file.sha256);
  IMPOUND_TRY(from, DiskFile::open(vault, object, Open::read));
  IMPOUND_TRY(facts, from.facts());
  Error const damaged{Code::damaged, "the object's bytes are not those that were sealed", object, "Run impound verify"};
  if (facts.type != FileFacts::Type::file || facts.size != file.size) return damaged;
  IMPOUND_TRY(to, create(path));
  IMPOUND_CHECK(copy_bytes(from, to, file.size, block_, stop));
  IMPOUND_TRY(hashed, evidence::hash_open_file(to, file.size, block_, stop));
  if (hashed.sha256 != file.sha256 || hashed.size != file.size) return damaged;
  return to.set_mode(file_mode);
}

/// All of them, or no file when every one has the name that it had.
Result<void> WorkingCopy::write_names(std::span<ToCopy const> files, std::span<std::string const> names) {
  bool differs = false;
  std::string lines = "name\toriginal_hex\tsha256\n";
  for (std::size_t i = 0; i < files.size(); ++i) {
    differs = differs || (files[i].original && files[i].name != names[i]);
    lines += names[i] + "\t" + (files[i].original ? hex(bytes_of(files[i].name)) : "") + "\t" + hex(files[i].sha256);
    lines += '\n';
  }
  if (!differs) return ok();
  IMPOUND_TRY(file, create(std::string(names_file)));
  IMPOUND_CHECK(file.write(0, bytes_of(lines)));
  return file.set_mode(file_mode);
}

Result<void> WorkingCopy::copy(LinuxDisk& vault, std::span<ToCopy const> files, Stop const& stop,
                               std::function<void(std::size_t, std::uint64_t)> const& copied) {
  std::vector<std::string> originals;
  originals.reserve(files.size());
  for (ToCopy const& file : files) originals.push_back(file.name);
  std::vector<std::string> const names = safe_names(originals);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    auto done = stop && stop() ? Result<void>(cancelled()) : copy_one(vault, files[i], names[i], stop);
    if (!done) return at(std::move(done).error(), path_ + "/" + names[i]);
    bytes += files[i].size;
    if (copied) copied(i + 1, bytes);
  }
  IMPOUND_CHECK(write_names(files, names));
  // The digests were taken from memory: what the disk has to say about the writes comes with this.
  return root_->sync_everything();
}

void WorkingCopy::remove() {
  for (auto path = files_.rbegin(); path != files_.rend(); ++path) (void)root_->remove(*path);
  for (auto path = folders_.rbegin(); path != folders_.rend(); ++path) (void)root_->remove_folder(*path);
  if (made_root_) (void)above_->remove_folder(file_place(path_).name);
}

}  // namespace impound::agent
