package operations

import (
	"fmt"
	"slices"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// FeatureM3 is the feature that the documentation calls "M3 gated": resources and vault_ids.
const FeatureM3 = "m3"

// gate returns an error when a field with n entries needs a feature that is not switched on (decision "Gate").
func (h *handler) gate(feature, param string, n int) error {
	if n == 0 || slices.Contains(h.features, feature) {
		return nil
	}
	return &featureError{param: param, feature: feature}
}

// featureError is the use of a feature that is not switched on.
type featureError struct{ param, feature string }

func (e *featureError) Error() string {
	return fmt.Sprintf("Field '%s' needs the feature '%s', which the operator of the server switches on with 'sessionsd serve --features %s'.", e.param, e.feature, e.feature)
}

// Problem implements problem.Error.
func (e *featureError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeFeatureNotAvailable, Message: e.Error(), Param: e.param, Feature: e.feature}
}
