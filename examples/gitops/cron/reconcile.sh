#!/usr/bin/env bash
# GitOps without a forge: a machine that follows a branch. For cron:
#
#   */10 * * * *  STACK=production flock --nonblock /run/lock/gpu ./reconcile.sh apply
#   17 4 * * *    STACK=production flock /run/lock/gpu ./reconcile.sh drift
#
# review: what the branch would change. apply: reviews what is new on the branch, and applies it
# unless the review blocks. drift: what somebody changed by hand. destroy NAME: ends everything.
#
# The working copy is this folder's. Reviews are kept in $REVIEWS (default: reviews), one for each
# commit. Both share the working copy, so that each waits for the other's lock. OPENRELAY_API_KEY and
# the backend's credentials (PULUMI_ACCESS_TOKEN; or PULUMI_BACKEND_URL, PULUMI_CONFIG_PASSPHRASE, and
# AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a bucket) come from the environment.
set -euo pipefail

: "${STACK:?the stack}"
branch=${BRANCH:-main}
profile=${PROFILE:-production}
reviews=${REVIEWS:-reviews}
export PULUMI_PARALLEL=${PULUMI_PARALLEL:-64}

review() {
  mkdir -p "$reviews"
  pulumi-openrelay review --stack "$STACK" --profile "$profile" \
    --markdown "$reviews/$1.md" --json "$reviews/$1.json"
}

case ${1:-} in
  review)
    review "$(git rev-parse HEAD)"
    ;;
  apply)
    git fetch --quiet origin "$branch"
    git checkout --quiet --detach FETCH_HEAD
    commit=$(git rev-parse HEAD)
    if [ -e "$reviews/$commit.applied" ]; then
      exit 0
    fi
    review "$commit"
    pulumi-openrelay apply --stack "$STACK" --profile "$profile" \
      --reviewed "$reviews/$commit.json"
    touch "$reviews/$commit.applied"
    ;;
  drift)
    pulumi-openrelay review --drift --stack "$STACK" --profile "$profile"
    ;;
  destroy)
    if [ "${2:-}" != "$STACK" ]; then
      echo "give the stack's name to confirm: $0 destroy $STACK" >&2
      exit 1
    fi
    pulumi destroy --yes --skip-preview --non-interactive --stack "$STACK"
    ;;
  *)
    echo "usage: $0 review | apply | drift | destroy NAME" >&2
    exit 1
    ;;
esac
