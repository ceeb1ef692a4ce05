"""What could not be billed: listing, one of them, and what a person does about it."""

from operations.console.pages.exceptions import acting, listing, single

ROUTES = (*listing.ROUTES, *acting.ROUTES, *single.ROUTES)
