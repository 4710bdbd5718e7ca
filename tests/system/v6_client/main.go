// The official Go client of the v6 API against a server: `v6-client lists`, `v6-client runs` or `v6-client changes`.
//
// K6_CLOUD_HOST_V6, K6_CLOUD_TOKEN and K6_CLOUD_STACK_ID name the server. What the client decoded is printed as JSON.
// The client refuses a response without a key that the schema requires; the program then ends with 1 and the reason.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/grafana/k6-cloud-openapi-client-go/k6"
)

const pageSize = 5

var (
	client  *k6.APIClient
	ctx     context.Context
	stackID int32
)

func main() {
	config := k6.NewConfiguration()
	config.Servers = k6.ServerConfigurations{{URL: os.Getenv("K6_CLOUD_HOST_V6")}}
	client = k6.NewAPIClient(config)
	ctx = context.WithValue(context.Background(), k6.ContextAccessToken, os.Getenv("K6_CLOUD_TOKEN"))
	id, err := strconv.ParseInt(os.Getenv("K6_CLOUD_STACK_ID"), 10, 32)
	check(err)
	stackID = int32(id)

	commands := map[string]func() map[string]any{"lists": lists, "runs": runs, "changes": changes}
	command, found := commands[os.Args[1]]
	if !found {
		check(fmt.Errorf("no command %s", os.Args[1]))
	}
	check(json.NewEncoder(os.Stdout).Encode(command()))
}

// lists reads every list to its end, page by page.
func lists() map[string]any {
	stack, _, err := client.AuthorizationAPI.Auth(ctx).XStackUrl("https://simulated.grafana.net").Execute()
	check(err)
	projects := collect(func(skip int32) ([]k6.ProjectApiModel, string) {
		page, response, err := client.ProjectsAPI.ProjectsList(ctx).XStackId(stackID).Skip(skip).Top(pageSize).Execute()
		explain(response, err)
		return page.GetValue(), page.GetNextLink()
	})
	limits := collect(func(skip int32) ([]k6.ProjectLimitsApiModel, string) {
		page, response, err := client.ProjectsAPI.ProjectLimitsRetrieve(ctx).XStackId(stackID).Skip(skip).Top(pageSize).Execute()
		explain(response, err)
		return page.GetValue(), page.GetNextLink()
	})
	tests := collect(func(skip int32) ([]k6.LoadTestApiModel, string) {
		page, response, err := client.LoadTestsAPI.LoadTestsList(ctx).XStackId(stackID).Skip(skip).Top(pageSize).Execute()
		explain(response, err)
		return page.GetValue(), page.GetNextLink()
	})
	all := collect(func(skip int32) ([]k6.TestRunApiModel, string) {
		page, response, err := client.TestRunsAPI.TestRunsList(ctx).XStackId(stackID).Skip(skip).Top(pageSize).Execute()
		explain(response, err)
		return page.GetValue(), page.GetNextLink()
	})
	schedules := collect(func(skip int32) ([]k6.ScheduleApiModel, string) {
		page, response, err := client.SchedulesAPI.SchedulesList(ctx).XStackId(stackID).Skip(skip).Top(pageSize).Execute()
		explain(response, err)
		return page.GetValue(), page.GetNextLink()
	})
	zones, response, err := client.LoadZonesAPI.LoadZonesList(ctx).XStackId(stackID).Execute()
	explain(response, err)

	var deactivated int
	for _, schedule := range schedules {
		if schedule.GetDeactivated() {
			deactivated++
		}
	}
	results := map[string]int{}
	for _, run := range all {
		read, response, err := client.TestRunsAPI.TestRunsRetrieve(ctx, run.GetId()).XStackId(stackID).Execute()
		explain(response, err)
		results[read.GetStatus()+" "+read.GetResult()]++
	}
	return map[string]any{
		"stack": stack.GetStackId(), "projects": len(projects), "limits": len(limits), "tests": len(tests),
		"runs": len(all), "results": results, "schedules": len(schedules), "deactivated": deactivated,
		"zones": len(zones.GetValue()),
	}
}

// runs uploads a test, starts it twice with one key, reads its run while it is active, and aborts it.
func runs() map[string]any {
	const script = "export const options = { vus: 6, duration: '300s' };"
	test := upload(30001, "from the official client", script)
	start := client.LoadTestsAPI.LoadTestsStart(ctx, test.GetId()).XStackId(stackID).K6IdempotencyKey("once")
	first, response, err := start.Execute()
	explain(response, err)
	second, response, err := start.Execute()
	explain(response, err)

	run := wait(first.GetId(), "running")
	response, err = client.TestRunsAPI.TestRunsAbort(ctx, first.GetId()).XStackId(stackID).Execute()
	explain(response, err)
	aborted := wait(first.GetId(), "aborted")
	details := aborted.GetStatusDetails()
	extra := details.GetExtra()
	page, response, err := client.TestRunsAPI.LoadTestsTestRunsRetrieve(ctx, test.GetId()).
		XStackId(stackID).Count(true).Orderby("created desc").CreatedAfter(first.GetCreated()).Execute()
	explain(response, err)
	return map[string]any{
		"same": first.GetId() == second.GetId(), "page": first.GetTestRunDetailsPageUrl(), "vus": run.GetMaxVus(),
		"planned": run.GetEstimatedDuration(), "by": extra.GetByUser(), "result": aborted.GetResult(),
		"listed": page.GetCount(),
	}
}

// changes makes a project with a test, a schedule and limits, as Terraform does, reads them, and deletes them.
func changes() map[string]any {
	project, response, err := client.ProjectsAPI.ProjectsCreate(ctx).XStackId(stackID).
		CreateProjectApiModel(k6.NewCreateProjectApiModel("made by the official client")).Execute()
	explain(response, err)
	id := project.GetId()
	patch := k6.NewPatchProjectLimitsRequest()
	patch.SetVuMaxPerTest(70)
	response, err = client.ProjectsAPI.ProjectsLimitsPartialUpdate(ctx, id).XStackId(stackID).PatchProjectLimitsRequest(patch).Execute()
	explain(response, err)
	limits, response, err := client.ProjectsAPI.ProjectsLimitsRetrieve(ctx, id).XStackId(stackID).Execute()
	explain(response, err)
	zone := *k6.NewAllowedLoadZoneToUpdateApiModel(3)
	zones, response, err := client.LoadZonesAPI.ProjectsAllowedLoadZonesUpdate(ctx, id).XStackId(stackID).
		UpdateAllowedLoadZonesListApiModel(k6.NewUpdateAllowedLoadZonesListApiModel([]k6.AllowedLoadZoneToUpdateApiModel{zone})).Execute()
	explain(response, err)

	test := upload(id, "nightly", "// first")
	rename := k6.NewPatchLoadTestApiModel()
	rename.SetName("hourly")
	response, err = client.LoadTestsAPI.LoadTestsPartialUpdate(ctx, test.GetId()).XStackId(stackID).PatchLoadTestApiModel(rename).Execute()
	explain(response, err)
	response, err = client.LoadTestsAPI.LoadTestsScriptUpdate(ctx, test.GetId()).XStackId(stackID).
		Body(io.NopCloser(strings.NewReader("// second"))).Execute()
	explain(response, err)
	script, response, err := client.LoadTestsAPI.LoadTestsScriptRetrieve(ctx, test.GetId()).XStackId(stackID).Execute()
	explain(response, err)
	tests, response, err := client.LoadTestsAPI.ProjectsLoadTestsRetrieve(ctx, id).XStackId(stackID).Name("hourly").Execute()
	explain(response, err)

	request := k6.NewCreateScheduleRequest(time.Now().Add(time.Hour))
	request.SetRecurrenceRule(*k6.NewScheduleRecurrenceRule(k6.HOURLY))
	schedule, response, err := client.SchedulesAPI.LoadTestsScheduleCreate(ctx, test.GetId()).XStackId(stackID).CreateScheduleRequest(request).Execute()
	explain(response, err)
	response, err = client.SchedulesAPI.ScheduleDeactivate(ctx, schedule.GetId()).XStackId(stackID).Execute()
	explain(response, err)
	read, response, err := client.SchedulesAPI.LoadTestsScheduleRetrieve(ctx, test.GetId()).XStackId(stackID).Execute()
	explain(response, err)
	rule := read.GetRecurrenceRule()

	response, err = client.SchedulesAPI.SchedulesDestroy(ctx, schedule.GetId()).XStackId(stackID).Execute()
	explain(response, err)
	response, err = client.LoadTestsAPI.LoadTestsDestroy(ctx, test.GetId()).XStackId(stackID).Execute()
	explain(response, err)
	response, err = client.ProjectsAPI.ProjectsDestroy(ctx, id).XStackId(stackID).Execute()
	explain(response, err)
	_, gone, _ := client.ProjectsAPI.ProjectsRetrieve(ctx, id).XStackId(stackID).Execute()
	return map[string]any{
		"vus": limits.GetVuMaxPerTest(), "zones": len(zones.GetValue()), "script": script,
		"tests": len(tests.GetValue()), "frequency": rule.GetFrequency(), "deactivated": read.GetDeactivated(),
		"next": !read.GetNextRun().IsZero(), "gone": gone.StatusCode,
	}
}

func upload(projectID int64, name, script string) *k6.LoadTestApiModel {
	test, response, err := client.LoadTestsAPI.ProjectsLoadTestsCreate(ctx, projectID).XStackId(stackID).
		Name(name).Script(io.NopCloser(strings.NewReader(script))).Execute()
	explain(response, err)
	return test
}

// wait reads a run until it has this status, at most 30 seconds.
func wait(id int64, status string) *k6.TestRunApiModel {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		run, response, err := client.TestRunsAPI.TestRunsRetrieve(ctx, id).XStackId(stackID).Execute()
		explain(response, err)
		if run.GetStatus() == status {
			return run
		}
	}
	check(fmt.Errorf("run %d is not %s", id, status))
	return nil
}

// collect follows the links of a list. They must lead to the next page, which the client requests by itself.
func collect[T any](fetch func(skip int32) ([]T, string)) []T {
	var all []T
	for skip := int32(0); ; skip += pageSize {
		items, link := fetch(skip)
		all = append(all, items...)
		if link == "" {
			return all
		}
		next, err := url.Parse(link)
		check(err)
		if next.Query().Get("$skip") != strconv.Itoa(int(skip+pageSize)) {
			check(fmt.Errorf("the link %s does not follow %d items", link, skip+pageSize))
		}
	}
}

// explain ends the program with the request and its response if the client refused it.
func explain(response *http.Response, err error) {
	if err == nil {
		return
	}
	if response == nil {
		check(err)
	}
	body, _ := io.ReadAll(response.Body)
	check(fmt.Errorf("%s %s: %s: %w: %s", response.Request.Method, response.Request.URL, response.Status, err, body))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
