using Llama.ServiceDefaults;

namespace Llama.Gateway.Tests.ServiceDefaults;

public sealed class OtlpVariablesTests
{
    [Theory]
    [InlineData("", false, false, false)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=", false, false, false)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317", true, true, true)]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c:4317", true, false, false)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317 OTEL_LOGS_EXPORTER=none", true, true, false)]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317 OTEL_SDK_DISABLED=true", false, false, false)]
    public void Read_Variables_SayWhatIsSent(string variables, bool traces, bool metrics, bool logs)
    {
        Dictionary<string, string> set = variables.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .ToDictionary(pair => pair.Split('=', 2)[0], pair => pair.Split('=', 2)[1]);

        Assert.Equal(new OtlpVariables(traces, metrics, logs), OtlpVariables.Read(name => set.GetValueOrDefault(name)));
    }
}
