using System.Runtime.CompilerServices;

namespace Llama.Model.Chat.Jinja;

/// <summary>Runs a template, within <see cref="JinjaLimits"/>. For one rendering.</summary>
internal sealed class JinjaRenderer
{
    private readonly List<JinjaText> whole = [];
    private readonly JinjaEvaluator evaluator;
    private List<JinjaText> output;
    private LoopControlNode? leaving;
    private int calls;

    /// <summary>A rendering with some variables.</summary>
    public JinjaRenderer(IEnumerable<KeyValuePair<string, object?>> variables)
    {
        output = whole;
        var globals = new JinjaScope(null);
        foreach ((string name, object? value) in variables) globals.Set(name, value);
        evaluator = new JinjaEvaluator(new JinjaScope(globals));
    }

    /// <summary>What a template gives.</summary>
    /// <exception cref="JinjaException">The template cannot be run with these variables, or takes more than it may.</exception>
    public JinjaText Render(IReadOnlyList<JinjaNode> nodes)
    {
        try
        {
            Run(nodes);
            return JinjaText.Concat([JinjaText.Empty, .. whole]);
        }
        catch (InsufficientExecutionStackException)
        {
            throw new JinjaException("the template calls itself too deep");
        }
    }

    private void Run(IReadOnlyList<JinjaNode> nodes)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        foreach (JinjaNode node in nodes)
        {
            try
            {
                evaluator.Step();
                Run(node);
            }
            catch (JinjaException exception) when (exception.Line == 0)
            {
                throw new JinjaException(exception.Message, node.Line);
            }

            if (leaving is not null) return;
        }
    }

    private void Run(JinjaNode node)
    {
        switch (node)
        {
            case DataNode data:
                Write(data.Text);
                break;
            case OutputNode value:
                Write(JinjaValues.ToText(evaluator.Evaluate(value.Value)));
                break;
            case IfNode choice:
                foreach ((JinjaExpression? condition, IReadOnlyList<JinjaNode> body) in choice.Branches)
                {
                    if (condition is not null && !JinjaValues.IsTrue(evaluator.Evaluate(condition))) continue;
                    Run(body);
                    break;
                }

                break;
            case ForNode loop:
                RunLoop(loop);
                break;
            case LoopControlNode control:
                leaving = control;
                break;
            case SetNode set:
                Set(set);
                break;
            case CaptureNode capture:
                object? captured = Capture(capture.Body);
                foreach (FilterCall filter in capture.Filters) captured = evaluator.Filter(captured, filter);
                if (capture.Target is { } target) evaluator.Scope.Set(target, captured);
                else Write(JinjaValues.ToText(captured));
                break;
            case MacroNode macro:
                evaluator.Scope.Set(macro.Name, Function(macro));
                break;
            case CallNode call:
                JinjaScope around = evaluator.Scope;
                evaluator.Scope = new JinjaScope(around);
                evaluator.Scope.Set("caller", Function(call.Caller));
                Write(JinjaValues.ToText(evaluator.Evaluate(call.Call)));
                evaluator.Scope = around;
                break;
            case ScopeNode scope:
                JinjaScope outer = evaluator.Scope;
                var inner = new JinjaScope(outer);
                foreach ((string name, JinjaExpression value) in scope.Values) inner.Set(name, evaluator.Evaluate(value));
                evaluator.Scope = inner;
                Run(scope.Body);
                evaluator.Scope = outer;
                break;
        }
    }

    private void Write(JinjaText text)
    {
        evaluator.CountCharacters(text.Length);
        if (text.Length > 0) output.Add(text);
    }

    private JinjaText Capture(IReadOnlyList<JinjaNode> body)
    {
        (List<JinjaText> before, JinjaScope scope) = (output, evaluator.Scope);
        output = [JinjaText.Empty];
        evaluator.Scope = new JinjaScope(scope);
        Run(body);
        JinjaText text = JinjaText.Concat(output);
        (output, evaluator.Scope) = (before, scope);
        return text;
    }

    private void RunLoop(ForNode node)
    {
        IReadOnlyList<object?> items = JinjaValues.Items(evaluator.Evaluate(node.Items));
        JinjaScope outer = evaluator.Scope;
        if (node.Filter is { } filter)
        {
            var kept = new List<object?>();
            foreach (object? item in items)
            {
                evaluator.Step();
                evaluator.Scope = new JinjaScope(outer);
                Assign(node.Targets, item);
                if (JinjaValues.IsTrue(evaluator.Evaluate(filter))) kept.Add(item);
            }

            items = kept;
        }

        var loop = new JinjaLoop(items);
        for (; loop.Index < items.Count; loop.Index++)
        {
            evaluator.Step();
            evaluator.Scope = new JinjaScope(outer);
            evaluator.Scope.Set("loop", loop);
            Assign(node.Targets, items[loop.Index]);
            Run(node.Body);
            bool ends = leaving?.Ends == true;
            leaving = null;
            if (ends) break;
        }

        evaluator.Scope = outer;
        if (items.Count == 0) Run(node.Otherwise);
    }

    private void Set(SetNode node)
    {
        object? value = evaluator.Evaluate(node.Value);
        if (node.Member is not { } member)
        {
            Assign(node.Targets, value);
            return;
        }

        object? target = evaluator.Scope.Get(node.Targets[0]);
        if (target is not JinjaNamespace space) throw new JinjaException($"{JinjaValues.TypeName(target)} cannot be changed, only a namespace");
        space.Members[member] = value;
    }

    private void Assign(IReadOnlyList<string> targets, object? value)
    {
        if (targets.Count == 1)
        {
            evaluator.Scope.Set(targets[0], value);
            return;
        }

        IReadOnlyList<object?> items = JinjaValues.Items(value);
        if (items.Count != targets.Count) throw new JinjaException($"found {items.Count} values for {targets.Count} names");
        for (int i = 0; i < items.Count; i++) evaluator.Scope.Set(targets[i], items[i]);
    }

    private JinjaFunction Function(MacroNode macro)
    {
        JinjaScope defined = evaluator.Scope;
        return new JinjaFunction(macro.Name, (values, named) =>
        {
            if (values.Count > macro.Parameters.Count) throw new JinjaException($"{macro.Name} takes {macro.Parameters.Count} values, found {values.Count}");
            if (++calls > JinjaLimits.Calls) throw new JinjaException($"{macro.Name} is called too deep");
            JinjaScope caller = evaluator.Scope;
            evaluator.Scope = new JinjaScope(defined);
            if (caller.Get("caller") is JinjaFunction body) evaluator.Scope.Set("caller", body);
            for (int i = 0; i < macro.Parameters.Count; i++)
            {
                (string name, JinjaExpression? value) = macro.Parameters[i];
                evaluator.Scope.Set(name, i < values.Count ? values[i]
                    : named.TryGetValue(name, out object? given) ? given
                    : value is null ? new JinjaUndefined(name) : evaluator.Evaluate(value));
            }

            foreach (string name in named.Keys)
            {
                if (!macro.Parameters.Any(parameter => parameter.Name == name)) throw new JinjaException($"{macro.Name} has no parameter {name}");
            }

            JinjaText text = Capture(macro.Body);
            evaluator.Scope = caller;
            calls--;
            return text;
        });
    }
}
