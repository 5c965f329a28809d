/* test_cert: a self-signed ECDSA P-256 certificate, valid until 2099, and its key. For tests alone. */
#ifndef RTC_TESTS_TEST_CERT_H
#define RTC_TESTS_TEST_CERT_H

static const char TEST_CERT[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBCzCBs6ADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHRlc3QwIBcN\n"
    "MjAwMTAxMDAwMDAwWhgPMjA5OTAxMDEwMDAwMDBaMA8xDTALBgNVBAMMBHRlc3Qw\n"
    "WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS6arLoAhj2+A0lu5YWwlJc+oUaIYz5\n"
    "h6TZbXpxhVQmXvrjDK72qLx/FZPxFa/AQDtxWCTTjoRDRaCU1KgHUEoXMAoGCCqG\n"
    "SM49BAMCA0cAMEQCIFjGzTTVZEPtyqqBUFC/s45PpL+atp37v6K7G/1vFOYaAiBL\n"
    "4SDhaHBONEmqRRGMq9eNWsBZwu6YEROFGNhfCy/rRA==\n"
    "-----END CERTIFICATE-----\n";

static const char TEST_KEY[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdOlcqyw1+/dcABVO\n"
    "pv2FmefOXjstkfVmVAxmJPDtyrOhRANCAAS6arLoAhj2+A0lu5YWwlJc+oUaIYz5\n"
    "h6TZbXpxhVQmXvrjDK72qLx/FZPxFa/AQDtxWCTTjoRDRaCU1KgHUEoX\n"
    "-----END PRIVATE KEY-----\n";

#endif
