#include "evidence/signing_key.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <utility>

#include "evidence/formats/hex.h"
#include "evidence/values/must.h"

namespace impound::evidence {

namespace {

constexpr std::uint64_t key_file_bytes_max = 16 * 1024;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;

/// OpenSSL would ask on the terminal for the passphrase of an encrypted key; a service has none.
int no_passphrase(char*, int, int, void*) { return -1; }

/// Wipes a text that held a private key, also on the way out of an error.
struct Wiped {
  std::string text;
  ~Wiped() { OPENSSL_cleanse(text.data(), text.size()); }
};

}  // namespace

struct SigningKey::Key {
  EVP_PKEY* pkey;
  explicit Key(EVP_PKEY* key) : pkey(key) {}
  Key(Key const&) = delete;
  Key& operator=(Key const&) = delete;
  ~Key() { EVP_PKEY_free(pkey); }
};

SigningKey::SigningKey(std::unique_ptr<Key> key) : key_(std::move(key)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

Result<SigningKey> SigningKey::generate(Disk& folder, std::string_view path) {
  auto key = std::make_unique<Key>(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  Bio const memory{BIO_new(BIO_s_mem()), BIO_free};
  if (key->pkey == nullptr || !memory ||
      PEM_write_bio_PKCS8PrivateKey(memory.get(), key->pkey, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return Error{Code::io, "OpenSSL made no Ed25519 key", std::string(path), {}};
  char* begin = nullptr;
  long const length = BIO_get_mem_data(memory.get(), &begin);
  Wiped const pem{std::string(begin, static_cast<std::size_t>(length))};
  OPENSSL_cleanse(begin, static_cast<std::size_t>(length));

  // Exclusive, not by a draft and a rename: a half-written key is of no use, a replaced one is a disaster.
  IMPOUND_TRY(file, DiskFile::open(folder, path, Open::create));
  IMPOUND_CHECK(file.set_mode(0600));
  IMPOUND_CHECK(file.write(0, bytes_of(pem.text)));
  IMPOUND_CHECK(file.sync());
  IMPOUND_CHECK(folder.sync_folder(folder_of(path)));
  return SigningKey(std::move(key));
}

Result<SigningKey> SigningKey::load(Disk& folder, std::string_view path) {
  auto const refused = [&](std::string what, std::string hint) {
    return Error{Code::refused, std::move(what), std::string(path), std::move(hint)};
  };
  IMPOUND_TRY(facts, folder.facts_of(path));
  if (facts.type != FileFacts::Type::file) return refused("the signing key is not a regular file", {});
  // The group may read: systemd hands credentials over as 0440 under an ACL of the service alone.
  if ((facts.mode & 0037) != 0)
    return refused("others may read or change the signing key", "Run: chmod 600 on the file.");
  IMPOUND_TRY(bytes, read_whole(folder, path, key_file_bytes_max));
  Wiped const pem{std::move(bytes)};
  Bio const memory{BIO_new_mem_buf(pem.text.data(), static_cast<int>(pem.text.size())), BIO_free};
  auto key =
      std::make_unique<Key>(memory ? PEM_read_bio_PrivateKey(memory.get(), nullptr, no_passphrase, nullptr) : nullptr);
  ERR_clear_error();
  if (key->pkey == nullptr)
    return refused("the signing key cannot be read", "It must be an unencrypted PKCS#8 PEM file.");
  if (EVP_PKEY_get_id(key->pkey) != EVP_PKEY_ED25519) return refused("the signing key is not an Ed25519 key", {});
  return SigningKey(std::move(key));
}

SigningKey SigningKey::from_seed(Bytes seed) {
  must(seed.size() == 32);
  auto key = std::make_unique<Key>(EVP_PKEY_new_raw_private_key(
      EVP_PKEY_ED25519, nullptr, reinterpret_cast<unsigned char const*>(seed.data()), seed.size()));
  must(key->pkey != nullptr);
  return SigningKey(std::move(key));
}

NoteKey SigningKey::public_key(std::string_view name) const {
  NoteKey key;
  key.name = std::string(name);
  std::size_t size = key.key.bytes.size();
  must(EVP_PKEY_get_raw_public_key(key_->pkey, reinterpret_cast<unsigned char*>(key.key.bytes.data()), &size) == 1);
  must(size == key.key.bytes.size());
  return key;
}

Ed25519Signature SigningKey::sign(Bytes message) const {
  Ed25519Signature signature;
  std::size_t size = signature.bytes.size();
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
  must(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_->pkey) == 1);
  must(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.bytes.data()), &size,
                      reinterpret_cast<unsigned char const*>(message.data()), message.size()) == 1);
  must(size == signature.bytes.size());
  return signature;
}

std::string SigningKey::sign_note(std::string_view name, std::string_view text) const {
  return std::string(text) + "\n" + signature_line(public_key(name), sign(bytes_of(text)));
}

}  // namespace impound::evidence
