package listing

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"

	"mcfs/store"
)

// MaxPages is how many pages of one directory are read: four million keys. Its names can be opened
// all the same, one by one.
const MaxPages = 4096

var (
	errRepeats = fmt.Errorf("the store repeats itself: %w", store.ErrUnavailable)
	errEndless = fmt.Errorf("the store's listing does not end within %d pages: %w", MaxPages, store.ErrUnavailable)
)

// query is how a list is asked for.
type query struct {
	delimiter string
	timeout   time.Duration // of each page; 0: the context's alone
	most      int           // pages; 0: any number
}

// Pages are all keys below a prefix, page by page. The last pair may be an error.
func Pages(ctx context.Context, st store.Store, prefix string) iter.Seq2[store.Page, error] {
	return query{}.pages(ctx, st, prefix)
}

func (q query) pages(ctx context.Context, st store.Store, prefix string) iter.Seq2[store.Page, error] {
	return func(yield func(store.Page, error) bool) {
		seen := tokens{most: q.most}
		for token := ""; ; {
			page, err := q.page(ctx, st, prefix, token)
			if err == nil {
				if !yield(page, nil) || page.Next == "" {
					return
				}
				err = seen.turn(page.Next)
			}
			if err != nil {
				yield(store.Page{}, fmt.Errorf("list %s: %w", cmp.Or(prefix, "/"), err))
				return
			}
			token = page.Next
		}
	}
}

func (q query) page(ctx context.Context, st store.Store, prefix, token string) (store.Page, error) {
	if q.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, q.timeout)
		defer cancel()
	}
	return st.List(ctx, prefix, q.delimiter, token, 0)
}

// tokens are those that led from page to page of one list.
type tokens struct {
	most int // 0: any number
	seen map[string]bool
}

// turn refuses a token that leads in a circle, or to a page too many.
func (t *tokens) turn(next string) error {
	if t.seen == nil {
		t.seen = make(map[string]bool)
	}
	if t.seen[next] {
		return errRepeats
	}
	t.seen[next] = true
	if t.most > 0 && len(t.seen) >= t.most {
		return errEndless
	}
	return nil
}
