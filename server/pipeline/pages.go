package pipeline

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/console"
	"github.com/cloud-sessions/sessions/server/docs"
	"github.com/cloud-sessions/sessions/server/pages"
)

// pages serves the pages for people next to the API. They are static and need no token; what they show of an account they
// request from the API, with the token of their user.
func (p *Pipeline) pages(reads readRoutes) {
	reads.GET("/", func(c echo.Context) error {
		c.Response().Header().Add(echo.HeaderVary, echo.HeaderAccept)
		if !pages.WantsPage(c.Request()) {
			return echo.ErrNotFound
		}
		pages.Index(c.Response(), c.Request())
		return nil
	})
	reads.GET("/index.css", echo.WrapHandler(http.HandlerFunc(pages.IndexStyle)))
	reads.GET("/icon.svg", echo.WrapHandler(http.HandlerFunc(pages.Icon)))
	for at, site := range map[string]http.Handler{"/console": console.Handler(), "/docs": docs.Handler()} {
		reads.GET(at, intoFolder)
		reads.GET(at+"/*", echo.WrapHandler(http.StripPrefix(at, site)))
	}
}

// intoFolder redirects to the same address with a slash at its end, against which the links of a page are resolved. The
// location is relative, so that it is right behind a proxy that strips a prefix.
func intoFolder(c echo.Context) error {
	path := c.Request().URL.Path
	return c.Redirect(http.StatusPermanentRedirect, path[strings.LastIndex(path, "/")+1:]+"/")
}
