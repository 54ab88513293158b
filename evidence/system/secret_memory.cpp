#include "evidence/system/secret_memory.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <utility>

#include "evidence/values/must.h"

namespace impound {

namespace {

constexpr std::size_t heap_bytes = 64 * 1024;
constexpr std::size_t piece_bytes_min = 32;
constexpr int made_and_locked = 1;  // CRYPTO_secure_malloc_init(3): 2 is made, and mlock or madvise was refused

std::atomic<bool> locked{true};

}  // namespace

void prepare_secret_memory() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (::CRYPTO_secure_malloc_initialized() == 1) return;
    locked = ::CRYPTO_secure_malloc_init(heap_bytes, piece_bytes_min) == made_and_locked;
  });
}

bool secret_memory_locked() { return locked; }

SecretText::SecretText(std::size_t size) : size_(size), taken_(std::max<std::size_t>(size, 1)) {
  prepare_secret_memory();
  memory_ = static_cast<char*>(OPENSSL_secure_zalloc(taken_));
  if (memory_ != nullptr) return;
  locked = false;  // the secure heap is full: the plain one must do
  memory_ = static_cast<char*>(OPENSSL_zalloc(taken_));
  must(memory_ != nullptr);
}

SecretText::SecretText(std::string_view text) : SecretText(text.size()) {
  std::copy(text.begin(), text.end(), memory_);
}

SecretText::SecretText(SecretText&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      taken_(std::exchange(other.taken_, 0)) {}

SecretText& SecretText::operator=(SecretText&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(taken_, other.taken_);
  return *this;
}

SecretText::~SecretText() { OPENSSL_secure_clear_free(memory_, taken_); }

void SecretText::shorten(std::size_t size) {
  must(size <= size_);
  OPENSSL_cleanse(memory_ + size, size_ - size);
  size_ = size;
}

Result<SecretText> read_secret(Disk& disk, std::string_view path, std::size_t bytes_max) {
  IMPOUND_TRY(file, DiskFile::open(disk, path, Open::read));
  SecretText text(bytes_max + 1);
  std::size_t read = 0;
  while (read < text.bytes().size()) {
    IMPOUND_TRY(count, file.read(read, std::as_writable_bytes(text.bytes().subspan(read))));
    if (count == 0) break;
    read += count;
  }
  if (read > bytes_max)
    return Error{
        Code::refused, "the file is larger than " + std::to_string(bytes_max) + " bytes", std::string(path), {}};
  text.shorten(read);
  return text;
}

}  // namespace impound
