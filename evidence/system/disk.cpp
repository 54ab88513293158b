#include "evidence/system/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace impound {

namespace {

constexpr std::uint64_t beneath_and_no_links = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

FileFacts facts_from(struct stat const& s) {
  FileFacts facts;
  facts.type = S_ISREG(s.st_mode)   ? FileFacts::Type::file
               : S_ISDIR(s.st_mode) ? FileFacts::Type::folder
                                    : FileFacts::Type::other;
  facts.size = static_cast<std::uint64_t>(s.st_size);
  facts.allocated = static_cast<std::uint64_t>(s.st_blocks) * 512;
  facts.links = s.st_nlink;
  facts.inode = s.st_ino;
  facts.device = s.st_dev;
  facts.mode = s.st_mode & 07777;
  facts.owner = s.st_uid;
  facts.modified_ns = static_cast<std::int64_t>(s.st_mtim.tv_sec) * 1'000'000'000 + s.st_mtim.tv_nsec;
  return facts;
}

/// Closes a plain descriptor at the end of a scope.
struct Closing {
  int descriptor;
  ~Closing() {
    if (descriptor >= 0) ::close(descriptor);
  }
};

}  // namespace

std::string_view folder_of(std::string_view path) {
  auto const slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

Result<DiskFile> DiskFile::open(Disk& disk, std::string_view path, Open how) {
  IMPOUND_TRY(handle, disk.open(path, how));
  return DiskFile{disk, handle};
}

Result<std::string> read_whole(Disk& disk, std::string_view path, std::uint64_t bytes_max) {
  IMPOUND_TRY(file, DiskFile::open(disk, path, Open::read));
  std::string bytes;
  std::byte block[64 * 1024];
  for (;;) {
    IMPOUND_TRY(count, file.read(bytes.size(), block));
    if (count == 0) return bytes;
    if (bytes.size() + count > bytes_max)
      return Error{
          Code::refused, "the file is larger than " + std::to_string(bytes_max) + " bytes", std::string(path), {}};
    bytes.append(reinterpret_cast<char const*>(block), count);
  }
}

Result<void> write_whole(Disk& disk, std::string_view path, Bytes bytes, Replace replace) {
  std::string const draft = std::string(path) + ".tmp";
  if (auto gone = disk.remove(draft); !gone && gone.error().code != Code::not_found) return std::move(gone).error();
  {
    IMPOUND_TRY(file, DiskFile::open(disk, draft, Open::create));
    IMPOUND_CHECK(file.write(0, bytes));
    IMPOUND_CHECK(file.sync());
  }
  IMPOUND_CHECK(disk.rename(draft, path, replace));
  return disk.sync_folder(folder_of(path));
}

Result<void> make_folders(Disk& disk, std::string_view path) {
  for (std::size_t end = 0; end != path.size();) {
    end = std::min(path.find('/', end + 1), path.size());
    std::string_view const part = path.substr(0, end);
    auto made = disk.make_folder(part);
    if (!made && made.error().code != Code::exists) return std::move(made).error();
    // Present is not durable: the name may be there from a run that died before its sync.
    IMPOUND_CHECK(disk.sync_folder(folder_of(part)));
  }
  return ok();
}

Result<std::unique_ptr<LinuxDisk>> LinuxDisk::open_at(std::string const& path) {
  int const folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return from_errno(errno, "cannot open the folder", path);
  return std::unique_ptr<LinuxDisk>(new LinuxDisk(folder, path));
}

LinuxDisk::~LinuxDisk() { ::close(folder_); }

std::string LinuxDisk::place(std::string_view path) const {
  return path.empty() ? name_ : name_ + "/" + std::string(path);
}

Result<int> LinuxDisk::open_beneath(std::string_view path, int flags, std::uint32_t mode) {
  open_how how{};
  how.flags = static_cast<decltype(how.flags)>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = beneath_and_no_links;
  std::string const text = path.empty() ? "." : std::string(path);
  for (;;) {
    long const descriptor = ::syscall(SYS_openat2, folder_, text.c_str(), &how, sizeof how);
    if (descriptor >= 0) return static_cast<int>(descriptor);
    // EAGAIN: a rename raced the walk (openat2(2)); EWOULDBLOCK of a leased file is the same number and does not pass.
    if (errno == EINTR) continue;
    return from_errno(errno, "cannot open", place(path));
  }
}

Result<int> LinuxDisk::parent_of(std::string_view path, std::string& last) {
  auto const slash = path.rfind('/');
  last = std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
  return open_beneath(folder_of(path), O_PATH | O_DIRECTORY, 0);
}

Result<DiskHandle> LinuxDisk::open(std::string_view path, Open how) {
  switch (how) {
    case Open::read: {
      // Opening a device can do something (start a watchdog, wind a tape), so it is looked at first: one call, by a
      // path whose links it may follow, since nothing but the answer comes of it.
      struct stat s {};
      std::string const text(path);
      bool const looked = ::fstatat(folder_, text.c_str(), &s, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0;
      if (looked && (S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode)))
        return Error{Code::refused, "a device lies there", place(path), {}};
      return open_beneath(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    }
    case Open::write: return open_beneath(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    case Open::create: return open_beneath(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    case Open::write_or_create: return open_beneath(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
  }
  return Error{Code::io, "unknown way to open", place(path), {}};
}

void LinuxDisk::close(DiskHandle file) { ::close(file); }

Result<std::size_t> LinuxDisk::read(DiskHandle file, std::uint64_t offset, std::span<std::byte> into) {
  for (;;) {
    ssize_t const count = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return from_errno(errno, "cannot read", name_);
  }
}

Result<void> LinuxDisk::forget_cached(DiskHandle file) {
  if (int const error = ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED); error != 0 && error != EINVAL)
    return from_errno(error, "cannot let go of what is cached", name_);
  return ok();
}

Result<void> LinuxDisk::write(DiskHandle file, std::uint64_t offset, Bytes bytes) {
  while (!bytes.empty()) {
    ssize_t const count = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return from_errno(errno, "cannot write", name_);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return ok();
}

Result<void> LinuxDisk::truncate(DiskHandle file, std::uint64_t size) {
  if (::ftruncate(file, static_cast<off_t>(size)) != 0) return from_errno(errno, "cannot cut the file", name_);
  return ok();
}

Result<void> LinuxDisk::reserve(DiskHandle file, std::uint64_t size) {
  while (::fallocate(file, 0, 0, static_cast<off_t>(size)) != 0) {
    if (errno == EINTR) continue;
    if (errno == EOPNOTSUPP) return ok();
    return from_errno(errno, "cannot take room", name_);
  }
  return ok();
}

Result<void> LinuxDisk::sync(DiskHandle file) {
  if (::fdatasync(file) != 0) return from_errno(errno, "cannot sync", name_);
  return ok();
}

Result<void> LinuxDisk::sync_folder(std::string_view path) {
  IMPOUND_TRY(descriptor, open_beneath(path, O_RDONLY | O_DIRECTORY, 0));
  Closing const closing{descriptor};
  if (::fsync(descriptor) != 0) return from_errno(errno, "cannot sync the folder", place(path));
  return ok();
}

Result<void> LinuxDisk::sync_everything() {
  if (::syncfs(folder_) != 0) return from_errno(errno, "cannot sync the file system", name_);
  return ok();
}

Result<void> LinuxDisk::rename(std::string_view from, std::string_view to, Replace replace) {
  std::string from_name;
  std::string to_name;
  IMPOUND_TRY(from_folder, parent_of(from, from_name));
  Closing const closing_from{from_folder};
  IMPOUND_TRY(to_folder, parent_of(to, to_name));
  Closing const closing_to{to_folder};
  unsigned const flags = replace == Replace::no ? RENAME_NOREPLACE : 0;
  if (::renameat2(from_folder, from_name.c_str(), to_folder, to_name.c_str(), flags) != 0)
    return from_errno(errno, "cannot rename " + place(from), place(to));
  return ok();
}

Result<void> LinuxDisk::remove(std::string_view path) {
  std::string name;
  IMPOUND_TRY(folder, parent_of(path, name));
  Closing const closing{folder};
  if (::unlinkat(folder, name.c_str(), 0) != 0) return from_errno(errno, "cannot remove", place(path));
  return ok();
}

Result<void> LinuxDisk::remove_folder(std::string_view path) {
  std::string name;
  IMPOUND_TRY(folder, parent_of(path, name));
  Closing const closing{folder};
  if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0)
    return from_errno(errno, "cannot remove the folder", place(path));
  return ok();
}

Result<void> LinuxDisk::make_folder(std::string_view path) {
  std::string name;
  IMPOUND_TRY(folder, parent_of(path, name));
  Closing const closing{folder};
  if (::mkdirat(folder, name.c_str(), 0700) != 0) return from_errno(errno, "cannot make the folder", place(path));
  return ok();
}

Result<void> LinuxDisk::set_mode(DiskHandle file, std::uint32_t mode) {
  if (::fchmod(file, static_cast<mode_t>(mode)) != 0) return from_errno(errno, "cannot change the mode", name_);
  return ok();
}

Result<FileFacts> LinuxDisk::facts(DiskHandle file) {
  struct stat s {};
  if (::fstat(file, &s) != 0) return from_errno(errno, "cannot look at the file", name_);
  return facts_from(s);
}

Result<FileFacts> LinuxDisk::facts_of(std::string_view path) {
  std::string name;
  IMPOUND_TRY(folder, parent_of(path, name));
  Closing const closing{folder};
  struct stat s {};
  if (::fstatat(folder, name.empty() ? "." : name.c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0)
    return from_errno(errno, "cannot look at", place(path));
  return facts_from(s);
}

Result<std::vector<FolderEntry>> LinuxDisk::list(std::string_view path, std::size_t entries_max) {
  IMPOUND_TRY(descriptor, open_beneath(path, O_RDONLY | O_DIRECTORY, 0));
  DIR* const folder = ::fdopendir(descriptor);
  if (folder == nullptr) {
    Closing const closing{descriptor};
    return from_errno(errno, "cannot list the folder", place(path));
  }
  std::unique_ptr<DIR, int (*)(DIR*)> const closing{folder, ::closedir};
  std::vector<FolderEntry> entries;
  for (;;) {
    errno = 0;
    dirent const* const found = ::readdir(folder);
    if (found == nullptr) {
      if (errno != 0) return from_errno(errno, "cannot list the folder", place(path));
      break;
    }
    std::string_view const name = found->d_name;
    if (name == "." || name == "..") continue;
    if (entries.size() == entries_max)
      return Error{Code::refused, "more than " + std::to_string(entries_max) + " names in the folder", place(path), {}};
    auto type = FileFacts::Type::other;
    if (found->d_type == DT_REG) type = FileFacts::Type::file;
    if (found->d_type == DT_DIR) type = FileFacts::Type::folder;
    if (found->d_type == DT_UNKNOWN) {
      struct stat s {};
      if (::fstatat(descriptor, found->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0) type = facts_from(s).type;
    }
    entries.push_back({std::string(name), type});
  }
  std::sort(entries.begin(), entries.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
  return entries;
}

Result<std::uint64_t> LinuxDisk::free_bytes() {
  struct statvfs s {};
  if (::fstatvfs(folder_, &s) != 0) return from_errno(errno, "cannot ask for free space", name_);
  return static_cast<std::uint64_t>(s.f_bavail) * s.f_frsize;
}

Result<Lease> LinuxDisk::take_lease(DiskHandle file) {
  if (::fcntl(file, F_SETLEASE, F_RDLCK) == 0) return Lease::taken;
  if (errno == EAGAIN) return Lease::busy;
  return Lease::unsupported;  // EACCES (another owner), EINVAL (NFS, FUSE): the caller seals a copy of its own
}

bool LinuxDisk::lease_held(DiskHandle file) { return ::fcntl(file, F_GETLEASE) == F_RDLCK; }

void LinuxDisk::drop_lease(DiskHandle file) { ::fcntl(file, F_SETLEASE, F_UNLCK); }

}  // namespace impound
