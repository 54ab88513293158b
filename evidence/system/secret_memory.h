// Memory for keys and passphrases: locked against swapping, left out of core dumps, between guard pages, wiped when
// given back. It is OpenSSL's secure heap (mmap, mlock, MADV_DONTDUMP), so the private half of every EVP_PKEY, which
// OpenSSL itself keeps there, is protected in the same way. 64 KiB in all: made at first use, never grown.
//
// What it does not do: OpenSSL's PEM and DER decoders pass a key through buffers of the plain heap, which they wipe.
// Where mlock is refused (RLIMIT_MEMLOCK) or no secure heap can be had, everything works and secret_memory_locked()
// says so: whoever has a log writes it there, once. Any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "evidence/system/disk.h"
#include "evidence/values/result.h"

namespace impound {

/// Makes the secure heap ready; before the first private key is made or read. Later calls do nothing.
void prepare_secret_memory();

/// Whether secrets lie in memory that is never swapped out; true until the first secret shows otherwise.
bool secret_memory_locked();

/// A text that must not leak: a passphrase, a private key. Owned by one, moved, never copied.
class SecretText {
 public:
  SecretText() = default;
  /// `size` bytes, all zero.
  explicit SecretText(std::size_t size);
  explicit SecretText(std::string_view text);
  SecretText(SecretText&& other) noexcept;
  SecretText& operator=(SecretText&& other) noexcept;
  ~SecretText();

  std::span<char> bytes() { return {memory_, size_}; }
  std::string_view text() const { return {memory_, size_}; }
  /// What is behind `size` is wiped and no longer part of it.
  void shorten(std::size_t size);

 private:
  char* memory_ = nullptr;
  std::size_t size_ = 0;
  std::size_t taken_ = 0;
};

/// A whole file of at most `bytes_max` bytes, read into secret memory and nowhere else; more is Code::refused.
Result<SecretText> read_secret(Disk& disk, std::string_view path, std::size_t bytes_max);

}  // namespace impound
