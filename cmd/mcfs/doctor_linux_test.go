package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	scriptRole = "arn:aws:iam::111122223333:role/MediaConvert"
	roleTrust  = `{"Statement":{"Effect":"Allow","Principal":{"Service":"mediaconvert.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}}`
)

// cmdIAM starts an IAM that has the role MediaConvert, and allows it everything: iam.
func cmdIAM(ts *testscript.TestScript, neg bool, args []string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // an empty form has no action
		w.Header().Set("Content-Type", "text/xml")
		switch r.PostForm.Get("Action") {
		case "GetRole":
			fmt.Fprintf(w, `<GetRoleResponse><GetRoleResult><Role><RoleName>MediaConvert</RoleName><Arn>%s</Arn><AssumeRolePolicyDocument>%s</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>`, scriptRole, url.QueryEscape(roleTrust))
		case "SimulatePrincipalPolicy":
			fmt.Fprint(w, `<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member><EvalDecision>allowed</EvalDecision></member></EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>`)
		default:
			http.Error(w, "<ErrorResponse/>", http.StatusBadRequest)
		}
	}))
	ts.Defer(s.Close)
	ts.Setenv("AWS_ENDPOINT_URL_IAM", s.URL)
}
