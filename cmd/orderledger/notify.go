package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/orderledger/orderledger/commands/notify/letter"
)

func (c *cli) notify() *cobra.Command {
	return group("notify", "Look at e-mails, and send them again", c.notifyPreview(), c.notifyResend(), c.notifyTemplates())
}

func (c *cli) notifyPreview() *cobra.Command {
	var html bool
	cmd := &cobra.Command{
		Use:   "preview TEMPLATE ID",
		Short: "Show an e-mail about an order as it is; it is not sent",
		Long:  "Show an e-mail about an order as it is; it is not sent. The e-mails: " + strings.Join(letter.Names, ", ") + ".",
		Args:  args(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(letter.Names, args[0]) {
				return wrongUse("%q is no e-mail: use %s", args[0], strings.Join(letter.Names, ", "))
			}
			id, err := c.resolve(cmd.Context(), args[1])
			if err != nil {
				return err
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			e, err := cl.Preview(cmd.Context(), args[0], id)
			switch {
			case err != nil:
				return err
			case html:
				_, err = fmt.Fprint(c.out, e.HTML)
			case c.format == "table":
				_, err = fmt.Fprintf(c.out, "To: %s\nSubject: %s\n\n%s", e.To, e.Subject, e.Text)
			default:
				l := listing{one: true, columns: []string{"TEMPLATE", "TO", "SUBJECT", "TEXT", "HTML"}}
				l.add(e, e.Template, e.To, e.Subject, e.Text, e.HTML)
				err = c.print(l)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&html, "html", false, "show the HTML")
	return cmd
}

func (c *cli) notifyResend() *cobra.Command {
	return &cobra.Command{
		Use: "resend ID NOTICE", Short: "Send again what somebody was told of an order; audit timeline shows the notices", Args: args(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := c.resolve(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			notice, err := uuid.Parse(args[1])
			if err != nil {
				return wrongUse("%q is no notice's id", args[1])
			}
			cl, err := c.client()
			if err != nil {
				return err
			}
			if _, err := cl.Resend(cmd.Context(), id, notice); err != nil {
				return err
			}
			c.note("It is sent again; the order's timeline will say what came of it.")
			return nil
		},
	}
}

func (c *cli) notifyTemplates() *cobra.Command {
	return &cobra.Command{
		Use: "templates DIR", Short: "Write the built-in e-mails into a folder, to be changed and used with serve --templates", Args: args(1, 1),
		Long: "Write the built-in e-mails into a folder, to be changed and used with serve --templates. Files that are there stay as they are;\n" +
			"those that you delete are the built-in ones again. What templates can say is documented with the package commands/notify/letter.",
		RunE: func(_ *cobra.Command, args []string) error {
			written, err := letter.Export(args[0])
			for _, path := range written {
				if _, err := fmt.Fprintln(c.out, path); err != nil {
					return err
				}
			}
			return err
		},
	}
}
