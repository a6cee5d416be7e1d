// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// reliability.md A2: what is not exactly RFC 9112 is refused, whatever another server would make of
// it.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>

#include "door/framing_cases.h"

namespace penstock::door {
namespace {

using namespace std::string_view_literals;

std::string with_fields(int count) {
  std::string text = "GET /v2 HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < count; ++i) text += "A: b\r\n";
  return text + "\r\n";
}
const std::string kFieldsAndHost[] = {with_fields(99), with_fields(100)};

const HeadCase kRequestLines[] = {
    {"plain", "GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"query", "GET /v2?a=b HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"http_1_0", "GET /v2 HTTP/1.0\r\nHost: x\r\n\r\n"sv, 0},
    {"later_minor", "GET /v2 HTTP/1.2\r\nHost: x\r\n\r\n"sv, 0},
    {"http_2", "GET /v2 HTTP/2.0\r\nHost: x\r\n\r\n"sv, 505},
    {"http_0_9_version", "GET /v2 HTTP/0.9\r\nHost: x\r\n\r\n"sv, 505},
    {"http_3", "GET / HTTP/3.0\r\nHost: x\r\n\r\n"sv, 505},
    {"two_digit_minor", "GET /v2 HTTP/1.10\r\nHost: x\r\n\r\n"sv, 400},
    {"two_digit_major", "GET /v2 HTTP/11.1\r\nHost: x\r\n\r\n"sv, 400},
    {"no_minor", "GET /v2 HTTP/1\r\nHost: x\r\n\r\n"sv, 400},
    {"no_dot", "GET /v2 HTTP/11\r\nHost: x\r\n\r\n"sv, 400},
    {"lower_case_http", "GET /v2 http/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"hex_version", "GET /v2 HTTP/1.a\r\nHost: x\r\n\r\n"sv, 400},
    {"other_protocol", "GET /v2 ICAP/1.0\r\nHost: x\r\n\r\n"sv, 400},
    {"comma_version", "GET /v2 HTTP/1,1\r\nHost: x\r\n\r\n"sv, 400},
    {"version_sign", "GET /v2 HTTP/1.+\r\nHost: x\r\n\r\n"sv, 400},
    {"http_0_9", "GET /v2\r\n\r\n"sv, 400},
    {"no_target", "GET HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"method_only", "GET\r\nHost: x\r\n\r\n"sv, 400},
    {"empty_target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"two_spaces_before_version", "GET /v2  HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"tab_separator", "GET\t/v2\tHTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"trailing_space", "GET /v2 HTTP/1.1 \r\nHost: x\r\n\r\n"sv, 400},
    {"leading_space", " GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"space_in_target", "GET /v 2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"tab_in_target", "GET /v\t2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"nul_in_target", "GET /v\0002 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"del_in_target", "GET /v\1772 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"cr_in_target", "GET /v\r2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"vt_in_target", "GET /v\0132 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"form_feed_in_target", "GET /v\0142 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"fragment", "GET /v2#x HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"escape_stays", "GET /v%32 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"utf8_target", "GET /v2/models/\303\251 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"relative_target", "GET v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"asterisk_get", "GET * HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"asterisk_options", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"authority_form", "CONNECT host:80 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"authority_form_get", "GET host:80 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"absolute_form", "GET http://host/v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"absolute_form_upper", "GET HTTP://HOST/v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"absolute_form_https", "GET https://host/v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"absolute_form_no_path", "GET http://host HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"absolute_form_no_host", "GET http:///v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"absolute_form_query_only", "GET http://host?x HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"absolute_form_bare", "GET http:// HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"other_scheme", "GET ftp://host/v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"method_with_colon", "GE:T /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"method_with_nul", "GE\000T /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"method_utf8", "G\303\211T /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"method_bracket", "G(T /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"method_token_chars", "M-!#$%&'*+.^_`|~ /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"lower_case_method", "get /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"long_method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"longest_method", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"empty_method", " /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"one_empty_line_before", "\r\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"two_empty_lines_before", "\r\n\r\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"bare_lf_before", "\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"tls_hello", "\026\003\001\002\000\001\000\001\374\003\003"sv, 400},
    {"h2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv, 505},
    {"bom", "\357\273\277GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"nul_first", "\000GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 400},
    {"host_is_not_first_line", "Host: x\r\nHost: x\r\n\r\n"sv, 400},
};

const HeadCase kFields[] = {
    {"no_other_field", "GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"sv, 0},
    {"empty_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n"sv, 0},
    {"blank_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA:   \r\n\r\n"sv, 0},
    {"no_space", "GET /v2 HTTP/1.1\r\nHost: x\r\nA:b\r\n\r\n"sv, 0},
    {"tabs_around", "GET /v2 HTTP/1.1\r\nHost: x\r\nA:\tb\t\r\n\r\n"sv, 0},
    {"tab_inside", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\tc\r\n\r\n"sv, 0},
    {"obs_text", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: \377\376\r\n\r\n"sv, 0},
    {"colon_in_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b:c\r\n\r\n"sv, 0},
    {"space_before_colon", "GET /v2 HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n"sv, 400},
    {"tab_before_colon", "GET /v2 HTTP/1.1\r\nHost: x\r\nA\t: b\r\n\r\n"sv, 400},
    {"space_in_name", "GET /v2 HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n"sv, 400},
    {"empty_name", "GET /v2 HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n"sv, 400},
    {"no_colon", "GET /v2 HTTP/1.1\r\nHost: x\r\nA\r\n\r\n"sv, 400},
    {"nul_in_name", "GET /v2 HTTP/1.1\r\nHost: x\r\nA\000: b\r\n\r\n"sv, 400},
    {"nul_in_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\000c\r\n\r\n"sv, 400},
    {"vt_in_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\013c\r\n\r\n"sv, 400},
    {"bell_in_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: \007\r\n\r\n"sv, 400},
    {"del_in_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\177\r\n\r\n"sv, 400},
    {"escape_in_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: \033[0m\r\n\r\n"sv, 400},
    {"bare_cr_in_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"sv, 400},
    {"cr_cr_lf", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\r\r\n\r\n"sv, 400},
    {"utf8_in_name", "GET /v2 HTTP/1.1\r\nHost: x\r\n\303\251: b\r\n\r\n"sv, 400},
    {"slash_in_name", "GET /v2 HTTP/1.1\r\nHost: x\r\nA/B: c\r\n\r\n"sv, 400},
    {"quote_in_name", "GET /v2 HTTP/1.1\r\nHost: x\r\n\"A\": c\r\n\r\n"sv, 400},
    {"paren_in_name", "GET /v2 HTTP/1.1\r\nHost: x\r\nA(: c\r\n\r\n"sv, 400},
    {"fold_space", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"sv, 400},
    {"fold_tab", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n"sv, 400},
    {"fold_first", "GET /v2 HTTP/1.1\r\n Host: x\r\n\r\n"sv, 400},
    {"whitespace_line", "GET /v2 HTTP/1.1\r\nHost: x\r\n   \r\n\r\n"sv, 400},
    {"bare_lf_line", "GET /v2 HTTP/1.1\nHost: x\r\n\r\n"sv, 400},
    {"bare_lf_field", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\nB: c\r\n\r\n"sv, 400},
    {"bare_lf_end", "GET /v2 HTTP/1.1\r\nHost: x\r\n\n"sv, 400},
    {"lf_only", "GET /v2 HTTP/1.1\nHost: x\n\n"sv, 400},
    {"lf_in_smuggled_value", "GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\nContent-Length: 5\r\n\r\n"sv,
     400},
    {"no_host", "GET /v2 HTTP/1.1\r\nA: b\r\n\r\n"sv, 400},
    {"no_fields_1_1", "GET /v2 HTTP/1.1\r\n\r\n"sv, 400},
    {"no_fields_1_0", "GET /v2 HTTP/1.0\r\n\r\n"sv, 0},
    {"two_hosts", "GET /v2 HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"sv, 400},
    {"two_equal_hosts", "GET /v2 HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"sv, 400},
    {"two_hosts_case", "GET /v2 HTTP/1.1\r\nHost: x\r\nhOST: x\r\n\r\n"sv, 400},
    {"empty_host", "GET /v2 HTTP/1.1\r\nHost:\r\n\r\n"sv, 0},
    {"two_authorizations",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"sv, 400},
    {"two_header_lengths",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: 1\r\n"
     "Inference-Header-Content-Length: 1\r\n\r\n"sv,
     400},
    {"two_content_encodings",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
     "Content-Encoding: identity\r\n\r\n"sv,
     400},
    {"two_accept_encodings",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nAccept-Encoding: deflate\r\n\r\n"sv,
     0},
    {"one_hundred_fields", kFieldsAndHost[0], 0},
    {"one_hundred_and_one_fields", kFieldsAndHost[1], 431},
    {"upgrade_is_ignored",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"sv, 0},
};

const HeadCase kLengths[] = {
    {"length_zero", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"sv, 0},
    {"length_five", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"sv, 0},
    {"length_leading_zeros", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\n\r\n"sv, 0},
    {"length_largest",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n"sv, 0},
    {"length_two_to_the_63",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775808\r\n\r\n"sv, 400},
    {"length_two_to_the_64",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n"sv, 400},
    {"length_wraps_to_five",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551621\r\n\r\n"sv, 400},
    {"length_twenty_digits",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 00000000000000000005\r\n\r\n"sv, 400},
    {"length_plus", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n"sv, 400},
    {"length_minus", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"sv, 400},
    {"length_minus_zero", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: -0\r\n\r\n"sv, 400},
    {"length_hex", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\n"sv, 400},
    {"length_hex_digits", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n"sv, 400},
    {"length_octal_prefix", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 0o5\r\n\r\n"sv, 400},
    {"length_underscore", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5_0\r\n\r\n"sv, 400},
    {"length_list", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5,5\r\n\r\n"sv, 400},
    {"length_list_space", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\n"sv, 400},
    {"length_inner_space", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5 0\r\n\r\n"sv, 400},
    {"length_float", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5.0\r\n\r\n"sv, 400},
    {"length_exponent", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5e0\r\n\r\n"sv, 400},
    {"length_empty", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n"sv, 400},
    {"length_nul", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\000\r\n\r\n"sv, 400},
    {"length_vertical_tab", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\013\r\n\r\n"sv, 400},
    {"length_quoted", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: \"5\"\r\n\r\n"sv, 400},
    {"length_arabic_digits", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: \331\245\r\n\r\n"sv,
     400},
    {"length_full_width", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: \357\274\225\r\n\r\n"sv,
     400},
    {"length_semicolon", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5;\r\n\r\n"sv, 400},
    {"length_blanks_around", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length:   5  \r\n\r\n"sv, 0},
    {"length_tab_around", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: \t5\t\r\n\r\n"sv, 0},
    {"length_word", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\n"sv, 400},
    {"length_infinity", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: inf\r\n\r\n"sv, 400},
    {"two_lengths_same",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"sv, 400},
    {"two_lengths_different",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"sv, 400},
    {"two_lengths_case",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n"sv, 400},
    {"length_almost_named",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Lengthx: 5\r\nXContent-Length: y\r\n"
     "Content_Length: z\r\n\r\n"sv,
     0},
    {"length_space_before_colon", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n"sv,
     400},
    {"length_folded", "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 5\r\n\r\n"sv, 400},
};

const HeadCase kCodings[] = {
    {"coding_chunked", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 0},
    {"coding_upper_case", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: CHUNKED\r\n\r\n"sv, 0},
    {"coding_blanks_around",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:   chunked  \r\n\r\n"sv, 0},
    {"coding_xchunked", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n"sv,
     400},
    {"coding_chunkedx", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunkedx\r\n\r\n"sv,
     400},
    {"coding_chunked_identity",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n"sv, 400},
    {"coding_identity_chunked",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked\r\n\r\n"sv, 400},
    {"coding_gzip_chunked",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv, 400},
    {"coding_chunked_chunked",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"sv, 400},
    {"coding_identity", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n"sv,
     400},
    {"coding_empty", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \r\n\r\n"sv, 400},
    {"coding_comma", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ,chunked\r\n\r\n"sv, 400},
    {"coding_comma_after", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked,\r\n\r\n"sv,
     400},
    {"coding_parameter", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;q=1\r\n\r\n"sv,
     400},
    {"coding_quoted", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"sv,
     400},
    {"coding_vertical_tab",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\013\r\n\r\n"sv, 400},
    {"coding_vertical_tab_before",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \013chunked\r\n\r\n"sv, 400},
    {"coding_nul", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\000\r\n\r\n"sv, 400},
    {"coding_nbsp", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \240chunked\r\n\r\n"sv, 400},
    {"coding_gzip", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"sv, 400},
    {"coding_split", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chun ked\r\n\r\n"sv, 400},
    {"coding_twice",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
     "Transfer-Encoding: chunked\r\n\r\n"sv,
     400},
    {"coding_twice_first_identity",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"
     "\r\n"sv,
     400},
    {"coding_and_length",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
     400},
    {"length_after_coding",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"sv,
     400},
    {"coding_and_length_zero",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"sv,
     400},
    {"coding_in_1_0", "GET /v2 HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"sv, 400},
    {"coding_space_before_colon",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n"sv, 400},
    {"coding_folded", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"sv,
     400},
    {"coding_line_feed", "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\nchunked\r\n\r\n"sv,
     400},
    {"coding_almost_named",
     "GET /v2 HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: x\r\nTransfer-Encodin: y\r\n\r\n"sv, 0},
};

class Framing : public ::testing::TestWithParam<HeadCase> {};

TEST_P(Framing, IsTheSameHoweverTheBytesArrive) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, GetParam().text.size()}) {
    HeadResult result;
    read_head(GetParam().text, step, result);
    EXPECT_EQ(result.error.status, GetParam().status) << result.error.text << ", step " << step;
    if (GetParam().status == 0) {
      EXPECT_TRUE(result.complete);
    } else {
      EXPECT_FALSE(result.error.text.empty());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(RequestLine, Framing, ::testing::ValuesIn(kRequestLines), case_name);
INSTANTIATE_TEST_SUITE_P(Field, Framing, ::testing::ValuesIn(kFields), case_name);
INSTANTIATE_TEST_SUITE_P(Length, Framing, ::testing::ValuesIn(kLengths), case_name);
INSTANTIATE_TEST_SUITE_P(Coding, Framing, ::testing::ValuesIn(kCodings), case_name);

}  // namespace
}  // namespace penstock::door
