package main

import (
	"strings"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
)

// prompt is a text that a person edits at a terminal, with a history. It is the model of a program of bubbletea.
type prompt struct {
	area    textarea.Model
	entries []string // of the history
	at      int      // the entry that is shown, len(entries) for the draft
	draft   string
	warned  bool // the last key was Ctrl-C, or it has stopped a turn
	hint    string
	live    bool // the program has begun to read messages
	end     promptEnd
}

// promptEnd is how a prompt ended.
type promptEnd int

const (
	promptOpen        promptEnd = iota
	promptSent                  // Enter
	promptClosed                // Ctrl-D
	promptInterrupted           // Ctrl-C twice
)

const (
	leaveHint = "Press Ctrl-C again to leave, or Ctrl-D."
	linesHint = "The text is too long for a prompt; send it from a file: sessions send SESSION - < FILE"
	// mostLines is the most lines that a prompt takes: textarea drops those beyond 10,000.
	mostLines = 9000
	// tabSign is shown for a tab, which textarea would turn into spaces.
	tabSign = "␉"
)

// newPrompt returns a prompt for a text.
func newPrompt(text string, entries []string, warned bool) *prompt {
	area := textarea.New()
	area.ShowLineNumbers, area.DynamicHeight, area.MinHeight = false, true, 1
	area.MaxContentHeight = 1 << 30 // and not MaxHeight, which is that of the screen
	area.MaxWidth = 0
	area.EndOfBufferCharacter = ' '
	area.SetPromptFunc(2, func(line textarea.PromptInfo) string {
		if line.LineNumber == 0 {
			return "> "
		}
		return "  "
	})
	area.SetStyles(textarea.Styles{Focused: textarea.StyleState{
		Prompt: lipgloss.NewStyle().Bold(true), Selection: lipgloss.NewStyle().Reverse(true), Placeholder: lipgloss.NewStyle().Faint(true),
	}})
	area.SetVirtualCursor(false)                                                                   // where the terminal's is, input methods open their windows
	area.KeyMap.InsertNewline = key.NewBinding(key.WithKeys("alt+enter", "shift+enter", "ctrl+o")) // Enter sends
	area.KeyMap.Paste = key.NewBinding()                                                           // a terminal pastes by itself
	area.KeyMap.CopySelection = key.NewBinding()
	area.Focus()
	p := &prompt{area: area, entries: entries, at: len(entries), warned: warned}
	p.set(text)
	return p
}

// Init implements tea.Model.
func (p *prompt) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (p *prompt) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	p.live = true
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.area.MaxHeight = max(1, msg.Height-2)
		p.area.SetWidth(max(1, msg.Width))
		p.area, cmd = p.area.Update(nil)
	case tea.KeyPressMsg:
		cmd = p.press(msg)
	case tea.PasteMsg:
		p.hint = ""
		text := editable(msg.Content)
		if p.area.LineCount()+strings.Count(text, "\n") > mostLines {
			p.hint = linesHint
			return p, nil
		}
		p.area, cmd = p.area.Update(tea.PasteMsg{Content: text})
	}
	return p, cmd
}

// press acts on a key.
func (p *prompt) press(msg tea.KeyPressMsg) (cmd tea.Cmd) {
	name := msg.String()
	if name == "ctrl+c" {
		return p.interrupt()
	}
	p.warned, p.hint = false, ""
	first, last := p.edges()
	switch {
	case name == "enter" || name == "ctrl+j":
		return p.finish(promptSent)
	case (name == "ctrl+d" || name == "ctrl+@" || name == "ctrl+space") && p.area.Length() == 0: // see endOfLineMode
		return p.finish(promptClosed)
	case name == "ctrl+z":
		return tea.Suspend
	case first && (name == "up" || name == "ctrl+p"):
		p.show(p.at - 1)
	case last && (name == "down" || name == "ctrl+n"):
		p.show(p.at + 1)
	default:
		p.area, cmd = p.area.Update(msg)
	}
	return cmd
}

// interrupt discards the text, as a shell does; the second Ctrl-C in a row leaves.
func (p *prompt) interrupt() tea.Cmd {
	if p.warned && p.text() == "" {
		return p.finish(promptInterrupted)
	}
	p.at, p.draft = len(p.entries), ""
	p.set("")
	p.warned, p.hint = true, leaveHint
	return nil
}

// finish ends the program of the prompt.
func (p *prompt) finish(end promptEnd) tea.Cmd {
	p.end = end
	return tea.Quit
}

// edges reports whether the cursor is in the first and in the last row of the text.
func (p *prompt) edges() (first, last bool) {
	row := p.area.LineInfo()
	return p.area.Line() == 0 && row.RowOffset == 0, p.area.Line() == p.area.LineCount()-1 && row.RowOffset >= row.Height-1
}

// show replaces the text by the n-th entry of the history, or by the draft after the last one.
func (p *prompt) show(n int) {
	if n < 0 || n > len(p.entries) {
		return
	}
	if p.at == len(p.entries) {
		p.draft = p.text()
	}
	p.at = n
	if n == len(p.entries) {
		p.set(p.draft)
	} else {
		p.set(p.entries[n])
	}
}

// set replaces the text; the cursor is at its end.
func (p *prompt) set(text string) {
	p.area.SetValue(editable(text))
	p.area, _ = p.area.Update(nil)
}

// text is the text.
func (p *prompt) text() string { return strings.ReplaceAll(p.area.Value(), tabSign, "\t") }

// editable is how a prompt shows a text.
func editable(text string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n", "\t", tabSign).Replace(text)
}

// View implements tea.Model. A prompt is shown once its program reads keys: some that were typed earlier, on a busy machine, were
// lost. One that has ended takes no place: what it was is written once, as a whole.
func (p *prompt) View() tea.View {
	if !p.live || p.end != promptOpen {
		return tea.NewView("")
	}
	view := tea.NewView(p.area.View())
	if p.hint != "" {
		view.Content += "\n" + lipgloss.NewStyle().Faint(true).Render(p.hint)
	}
	view.Cursor = p.area.Cursor()
	return view
}
