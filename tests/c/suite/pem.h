/* A certificate for localhost that its own key signed, valid until 2126. It proves nothing to
 * anybody:
 *
 *   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 \
 *     -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1
 */
#ifndef PEM_H
#define PEM_H

static const char certificate_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBnDCCAUGgAwIBAgIUIIjRh/38KMYitfs3I9U2EvLJLVMwCgYIKoZIzj0EAwIw\n"
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAxNTkzMFoYDzIxMjYxMDI4\n"
    "MDE1OTMwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAATd91MEt5W3S27ucuQJ/F2UbCtCys9RwGg0Afb+SmBQKcat8b0mpkpX\n"
    "JEBykHBlZHKQq9n1P2fFwP2cEyBpvscQo28wbTAdBgNVHQ4EFgQUhX035o7CQiVg\n"
    "wqQCrtb+19X9zWcwHwYDVR0jBBgwFoAUhX035o7CQiVgwqQCrtb+19X9zWcwDwYD\n"
    "VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI\n"
    "zj0EAwIDSQAwRgIhAPf/1tbr4G9yB8rNeNMEXMfYlzU1iz6pyUleB9NuoR6PAiEA\n"
    "iVn8PHVUpf4wjur9y+3CCSuodK43ebwBEjkoGbD4xwY=\n"
    "-----END CERTIFICATE-----\n";

static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggvp9uHUdMOjRAwRM\n"
                              "HzaV0Mb+ybt/KgYipt0QgYDQwxqhRANCAATd91MEt5W3S27ucuQJ/F2UbCtCys9R\n"
                              "wGg0Afb+SmBQKcat8b0mpkpXJEBykHBlZHKQq9n1P2fFwP2cEyBpvscQ\n"
                              "-----END PRIVATE KEY-----\n";

#endif
