# SPDX-License-Identifier: MIT
# fish completion for twelvefs(1)

function __twelvefs_accounts
    set -l directory $HOME/.config/twelvefs
    test (id -u) -eq 0; and set directory /etc/twelvefs
    set -q XDG_CONFIG_HOME; and set directory $XDG_CONFIG_HOME/twelvefs
    test -r $directory/config
    and string match -rg '^\s*\[([^]]*)\]' <$directory/config
    for key in $directory/*.key
        string replace -r '^.*/(.*)\.key$' '$1' $key
    end
end

# After "-o a=1," the list goes on.
function __twelvefs_options
    set -l head (string match -rg '^(.*,)[^,]*$' -- (commandline -ct))
    for option in refresh= timeout= sweep= rpm= delete=safe delete=force \
            delete_rate= upload= upload_done=link upload_done=keep \
            upload_done=remove upload_chunks= upload_recheck= upload_twice \
            settle= picture_cache= cache_dir= \
            key_file= key_command= base_url= uid= gid= umask= log_level=error \
            log_level=warning log_level=info log_level=debug log_file= \
            allow_other pictures=no io_uring wait ro rw write noatime auto_unmount
        echo "$head$option"
    end
end

set -l commands login status refresh save forget watch tag deleted upload uploads
set -l first "not __fish_seen_subcommand_from $commands"
complete -c twelvefs -s f -d 'stay in the foreground'
complete -c twelvefs -s d -d 'stay in the foreground and log every request'
complete -c twelvefs -s o -x -a '(__twelvefs_options)' -d 'options'
complete -c twelvefs -l wait -d 'return when all assets were read'
complete -c twelvefs -s h -l help -d 'print help and end'
complete -c twelvefs -s V -l version -d 'print the version and end'
complete -c twelvefs -n $first -a login -d 'keep an API key'
complete -c twelvefs -n $first -a status -d 'what a mount is doing'
complete -c twelvefs -n $first -a refresh -d 'poll now'
complete -c twelvefs -n $first -a save -d 'save a query under a name'
complete -c twelvefs -n $first -a forget -d 'forget a saved query'
complete -c twelvefs -n $first -a watch -d 'changes as they happen'
complete -c twelvefs -n $first -a tag -d 'set keys of user_metadata'
complete -c twelvefs -n $first -a deleted -d 'what was deleted'
complete -c twelvefs -n $first -a uploads -d 'what goes up'
complete -c twelvefs -n $first -a upload -d 'put files up and wait for them'
complete -c twelvefs -n $first -a '(__twelvefs_accounts):' -d account
complete -c twelvefs -n '__fish_seen_subcommand_from watch' -l since -x \
    -d 'from then on'
complete -c twelvefs -n '__fish_seen_subcommand_from status deleted uploads' -l json \
    -d 'for programs'
complete -c twelvefs -n '__fish_seen_subcommand_from login' -x \
    -a '(__twelvefs_accounts)' -d account
