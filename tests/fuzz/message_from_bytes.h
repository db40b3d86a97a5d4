// A well-formed message from a fuzzer's bytes, so that what is behind the parser is reached: fields
// are set by name and type, texts are mostly words that mean something, numbers mostly small or at
// a limit.
#ifndef WEIGHTINIT_TESTS_FUZZ_MESSAGE_FROM_BYTES_H_
#define WEIGHTINIT_TESTS_FUZZ_MESSAGE_FROM_BYTES_H_

#include <fuzzer/FuzzedDataProvider.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace weightinit::fuzz {

class MessageFromBytes {
 public:
  MessageFromBytes(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}

  void Fill(google::protobuf::Message& message, int depth = 0) {
    const auto* descriptor = message.GetDescriptor();
    const auto* reflection = message.GetReflection();
    if (descriptor->field_count() == 0) return;
    const int fields = bytes_.ConsumeIntegralInRange(0, descriptor->field_count() + 2);
    for (int i = 0; i < fields && bytes_.remaining_bytes() > 0; ++i) {
      const auto* field =
          descriptor->field(bytes_.ConsumeIntegralInRange(0, descriptor->field_count() - 1));
      const int count = field->is_repeated() ? bytes_.ConsumeIntegralInRange(0, 4) : 1;
      for (int k = 0; k < count && bytes_.remaining_bytes() > 0; ++k)
        SetOne(message, *reflection, *field, depth);
    }
  }

 private:
  using Field = google::protobuf::FieldDescriptor;

  void SetOne(google::protobuf::Message& message, const google::protobuf::Reflection& reflection,
              const Field& field, int depth) {
    const auto put = [&](auto set, auto add, auto value) {
      if (field.is_repeated()) {
        (reflection.*add)(&message, &field, value);
      } else {
        (reflection.*set)(&message, &field, value);
      }
    };
    using R = google::protobuf::Reflection;
    switch (field.cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        if (depth > 12) return;
        Fill(field.is_repeated() ? *reflection.AddMessage(&message, &field)
                                 : *reflection.MutableMessage(&message, &field),
             depth + 1);
        return;
      case Field::CPPTYPE_STRING:
        return put(
            &R::SetString, &R::AddString,
            field.type() == Field::TYPE_BYTES ? bytes_.ConsumeRandomLengthString(40) : Text());
      case Field::CPPTYPE_BOOL:
        return put(&R::SetBool, &R::AddBool, bytes_.ConsumeBool());
      case Field::CPPTYPE_INT32:
        return put(&R::SetInt32, &R::AddInt32, static_cast<std::int32_t>(Integer()));
      case Field::CPPTYPE_INT64:
        return put(&R::SetInt64, &R::AddInt64, Integer());
      case Field::CPPTYPE_UINT32:
        return put(&R::SetUInt32, &R::AddUInt32, static_cast<std::uint32_t>(Integer()));
      case Field::CPPTYPE_UINT64:
        return put(&R::SetUInt64, &R::AddUInt64, static_cast<std::uint64_t>(Integer()));
      case Field::CPPTYPE_DOUBLE:
        return put(&R::SetDouble, &R::AddDouble, Number());
      case Field::CPPTYPE_FLOAT:
        return put(&R::SetFloat, &R::AddFloat, static_cast<float>(Number()));
      case Field::CPPTYPE_ENUM:
        return put(&R::SetEnumValue, &R::AddEnumValue, bytes_.ConsumeIntegralInRange(-1, 12));
    }
  }

  std::string Text() {
    static constexpr const char* kWords[] = {"a",
                                             "b",
                                             "a.weight",
                                             "a.bias",
                                             "weight",
                                             "bias",
                                             "h.0.mlp.weight",
                                             "h.1.mlp.weight",
                                             ".*",
                                             ".*weight",
                                             "(.*\\.)?h\\.(?P<layer>\\d+)\\..*",
                                             "a.*|b",
                                             "\\0.q",
                                             "e.{}",
                                             "{}",
                                             "1/sqrt(2*layers)",
                                             "layer+1",
                                             "0*layer",
                                             "layers^-0.5",
                                             "Linear",
                                             "Conv2d",
                                             "LSTM",
                                             "Dense",
                                             "MultiheadAttention",
                                             "layers",
                                             "layer",
                                             "module.a",
                                             "2.12",
                                             "1.13",
                                             ""};
    if (bytes_.ConsumeIntegralInRange(0, 15) == 0) {
      std::string text = bytes_.ConsumeRandomLengthString(30);
      for (char& c : text) c &= 0x7f;  // the parser takes UTF-8 alone
      return text;
    }
    return bytes_.PickValueInArray(kWords);
  }

  std::int64_t Integer() {
    static constexpr std::int64_t kLimits[] = {-1, std::int64_t{1} << 31, std::int64_t{1} << 40,
                                               std::numeric_limits<std::int64_t>::max(),
                                               std::numeric_limits<std::int64_t>::min()};
    if (bytes_.ConsumeIntegralInRange(0, 31) == 0) return bytes_.PickValueInArray(kLimits);
    return bytes_.ConsumeIntegralInRange<std::int64_t>(0, 9);
  }

  double Number() {
    if (bytes_.ConsumeIntegralInRange(0, 31) == 0) return bytes_.ConsumeFloatingPoint<double>();
    return 0.25 * bytes_.ConsumeIntegralInRange(-2, 9);
  }

  FuzzedDataProvider bytes_;
};

}  // namespace weightinit::fuzz

#endif  // WEIGHTINIT_TESTS_FUZZ_MESSAGE_FROM_BYTES_H_
