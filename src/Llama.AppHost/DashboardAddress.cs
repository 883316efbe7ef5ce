using System.Globalization;
using Llama.Grains.Hosting;

namespace Llama.AppHost;

/// <summary>Where the dashboard and its two services listen. Aspire reads that from the environment.</summary>
internal static class DashboardAddress
{
    private const string Page = "ASPNETCORE_URLS";
    private const string Telemetry = "ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL";
    private const string Resources = "ASPIRE_RESOURCE_SERVICE_ENDPOINT_URL";

    /// <summary>Chooses free ports of this machine where the user has not said otherwise, so that several clusters run side by side.</summary>
    public static void Choose()
    {
        foreach (string variable in (string[])[Page, Telemetry, Resources])
        {
            if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable(variable)))
            {
                Environment.SetEnvironmentVariable(
                    variable, string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{FreePort.Choose()}"));
            }
        }
    }

    /// <summary>The page that logs in.</summary>
    /// <param name="token">The dashboard's token.</param>
    public static string LoginUrl(string? token) =>
        $"{Environment.GetEnvironmentVariable(Page)!.Split(';')[0]}/login?t={token}";
}
