package browsers

import "net/http"

func health() http.Handler { return http.NotFoundHandler() }
