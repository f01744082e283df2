// Package hostsfile reads the file of --guard-hosts: hosts that a guarded
// controller serves, each with the Secret of its certificate, for controllers
// that have no Ingresses. It is a YAML list:
//
//   - hosts: [shop.example.com, "*.shop.example.com"]
//     secretName: istio-system/shop-tls
//   - hosts: [pay.example.com]
//     secretName: istio-system/pay-tls
//     clientAuthSecret: pay-clients # of the same namespace
//     clientAuth: optional          # else require
//
// The file is looked at twice a second. One that cannot be read or has a fault
// is a problem, and what it last held stays.
package hostsfile
