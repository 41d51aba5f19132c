// Package post delivers e-mails: by SMTP, or into a folder where there is no server. It knows nothing of orders.
package post
